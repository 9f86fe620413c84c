"""Graphs of layers in the manner of Keras, as recipes of the one core.

    from waddington.keras import fit, predict, sequential
    from waddington.layers import Dense, Dropout

    net = sequential(Dense(784), Dropout(0.4), Dense(10, act="softmax"), n_in=784)
    trained = fit(net, x, y, loss="categorical_crossentropy", metrics=("categorical_accuracy",))
    predict(net, {"x": x}, trained.get())

R's `keras_model_sequential()` sends the same graphs as JSON.
"""

from .expressions import Operation
from .graph import Graph, Learner, Node, sequential
from .session import Session, predict, recipe_of, score
from .simple import Plan, fit
from .terms import Compared, Penalty

__all__ = [
    "Compared", "Graph", "Learner", "Node", "Operation", "Penalty", "Plan", "Session", "fit",
    "predict", "recipe_of", "score", "sequential",
]  # fmt: skip
