"""
Serve a model with TorchServe, and log each request.

Archive it with ``torch-model-archiver --model-name iris --version 3
--handler handler.py --extra-files logging.json --export-path models``.
"""

import logging

from ts.utils.util import PredictionException

import mllog

logger = logging.getLogger("iris")

SPECIES = ("setosa", "versicolor", "virginica")


class Iris:
    """
    The species of flowers by the length of their petals in centimetres.
    """

    def initialize(self, context):
        """
        Log as ``logging.json`` of the archive says.
        """
        mllog.configure("logging.json")
        logger.info("Loaded", extra={"model_name": context.model_name})

    def handle(self, data, context):
        """
        Answer each request of a batch.
        """
        answers = []
        for index, request in enumerate(data):
            with mllog.bind(request_id=context.get_request_id(index)):
                answers.append(self.classify(request["body"]["instances"]))
        return answers

    @mllog.inference(logger, model="iris", version=3)
    def classify(self, lengths):
        """
        Answer, or refuse what nobody measures.
        """
        logger.info("Classifying", extra={"batch_size": len(lengths)})
        if not lengths:
            raise PredictionException("no flowers", 400)
        if min(lengths) < 0:
            raise ValueError(f"the model broke\nat {lengths}")
        return [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]
