"""
A model behind FastAPI: POST /predict with {"lengths": [1.4, 4.7]}.
"""

import logging

from fastapi import FastAPI
from pydantic import BaseModel

import mllog
from mllog.integrations.asgi import AccessMiddleware

logger = logging.getLogger("iris")

SPECIES = ("setosa", "versicolor", "virginica")


class Flowers(BaseModel):
    """
    Petal lengths in centimetres, one for each flower.
    """

    lengths: list[float]


app = FastAPI()
app.add_middleware(AccessMiddleware)


@app.post("/predict")
@mllog.timed(logger, "Inference complete", model_name="iris", model_version=1)
def predict(flowers: Flowers) -> dict[str, list[str]]:
    """
    The species of each flower.
    """
    return {
        "predictions": [
            SPECIES[(x > 2.5) + (x > 4.9)] for x in flowers.lengths
        ]
    }
