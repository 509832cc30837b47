"""
Serve a model with BentoML, and log each request.

Run it with ``bentoml serve service:Iris``.
"""

import logging

import bentoml
from bentoml.exceptions import InvalidArgument

import mllog
from mllog.integrations.asgi import AccessMiddleware

logger = logging.getLogger("iris")
mllog.configure("logging.json")

SPECIES = ("setosa", "versicolor", "virginica")


@bentoml.service(workers=2)
class Iris:
    """
    The species of flowers by the length of their petals in centimetres.
    """

    @bentoml.api
    @mllog.inference(logger, model="iris", version=3)
    def classify(self, lengths: list[float]) -> list[str]:
        """
        Answer, or refuse what nobody measures.
        """
        logger.info("Classifying", extra={"batch_size": len(lengths)})
        if not lengths:
            raise InvalidArgument("no flowers")
        if min(lengths) < 0:
            raise ValueError(f"the model broke\nat {lengths}")
        return [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]


Iris.add_asgi_middleware(AccessMiddleware)
