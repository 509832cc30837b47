"""
A model as a task: predict.delay([1.4, 4.7]).
"""

import logging
import os

from celery import Celery
from celery.signals import setup_logging

import mllog

logger = logging.getLogger("iris")

SPECIES = ("setosa", "versicolor", "virginica")

app = Celery(
    "tasks",
    # a folder in place of a server such as Redis
    broker="filesystem://",
    broker_transport_options={
        "data_folder_in": "queue",
        "data_folder_out": "queue",
        "processed_folder": "queue",
    },
)
os.makedirs("queue", exist_ok=True)


@setup_logging.connect
def configure(**_):
    """
    Have the worker log by mllog, and not by its own handlers.
    """
    mllog.configure("logging.json")


@app.task(bind=True)
def predict(self, lengths):
    """
    The species of each flower, by the length of its petals in centimetres.
    """
    with mllog.bind(task_id=self.request.id, model_name="iris"):
        with mllog.timed(logger, "Inference complete"):
            return [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]
