"""
A model: POST /predict with {"lengths": [1.4, 4.7]}; and its metrics.
"""

import json
import logging

from django.http import HttpRequest, JsonResponse
from django.urls import path
from prometheus_client.django import PrometheusDjangoView

import mllog

logger = logging.getLogger("iris")

SPECIES = ("setosa", "versicolor", "virginica")


@mllog.timed(logger, "Inference complete", model_name="iris", model_version=1)
def predict(lengths):
    """
    The species of each flower, by the length of its petals in centimetres.
    """
    return [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]


def answer(request: HttpRequest) -> JsonResponse:
    """
    Answer a request.
    """
    return JsonResponse(
        {"predictions": predict(json.loads(request.body)["lengths"])}
    )


urlpatterns = [
    path("predict", answer),
    path("metrics", PrometheusDjangoView.as_view()),
]
