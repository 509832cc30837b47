"""
A model behind gunicorn: POST /predict with {"lengths": [1.4, 4.7]}.
"""

import json
import logging

import mllog
from mllog.integrations.wsgi import AccessMiddleware

logger = logging.getLogger("iris")

SPECIES = ("setosa", "versicolor", "virginica")


@mllog.timed(logger, "Inference complete", model_name="iris", model_version=1)
def predict(lengths):
    """
    The species of each flower, by the length of its petals in centimetres.
    """
    return [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]


def app(environ, start_response):
    """
    Answer a request.
    """
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    predictions = predict(json.loads(body)["lengths"])
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"predictions": predictions}).encode()]


app = AccessMiddleware(app)
