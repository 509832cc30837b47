"""
Serve a model with Ray Serve, and log each request.

Run it with ``serve run service:app``.
"""

import logging
import os

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from ray import serve

import mllog
from mllog.integrations.asgi import InferenceMiddleware

logger = logging.getLogger("iris")
api = FastAPI()
api.add_middleware(InferenceMiddleware, logger=logger, model="iris", version=3)

SPECIES = ("setosa", "versicolor", "virginica")
TOGETHER = {"PROMETHEUS_MULTIPROC_DIR": os.path.abspath("metrics")}


class Question(BaseModel):
    """
    Petal lengths in centimetres, one for each flower.
    """

    instances: list[float]


@serve.deployment(
    num_replicas=2, ray_actor_options={"runtime_env": {"env_vars": TOGETHER}}
)
@serve.ingress(api)
class Iris:
    """
    The species of flowers by the length of their petals.
    """

    def __init__(self):
        mllog.configure("logging.json")

    @api.post("/predict")
    def predict(self, question: Question) -> list[str]:
        """
        Answer, or refuse what nobody measures.
        """
        lengths = question.instances
        logger.info("Classifying", extra={"batch_size": len(lengths)})
        if not lengths:
            raise HTTPException(400, "no flowers")
        if min(lengths) < 0:
            raise ValueError(f"the model broke\nat {lengths}")
        return [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]


app = Iris.bind()
