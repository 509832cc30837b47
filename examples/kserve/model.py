"""
Serve a model with KServe, and log each request.

Run it with ``python model.py --log_config_file logging.json``.
"""

import logging

from kserve import Model, ModelServer
from kserve.errors import InvalidInput
from kserve.logging import configure_logging
from kserve.model_server import app, args

from mllog.integrations.asgi import InferenceMiddleware

logger = logging.getLogger("iris")
configure_logging(args.log_config_file)
app.add_middleware(
    InferenceMiddleware,
    logger=logger,
    model="iris",
    version=3,
    paths=["/v1/models/iris:predict"],
)

SPECIES = ("setosa", "versicolor", "virginica")


class Iris(Model):
    """
    The species of flowers by the length of their petals in centimetres.
    """

    def predict(self, payload, headers=None):
        """
        Answer, or refuse what nobody measures.
        """
        lengths = payload["instances"]
        logger.info("Classifying", extra={"batch_size": len(lengths)})
        if not lengths:
            raise InvalidInput("no flowers")
        if min(lengths) < 0:
            raise ValueError(f"the model broke\nat {lengths}")
        return {
            "predictions": [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]
        }


if __name__ == "__main__":
    model = Iris("iris")
    model.load()
    ModelServer().start([model])
