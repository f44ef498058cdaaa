"""Drives a worker with the Python package kafka-connect-py. The first argument is its address."""

import re
import sys
import time

import requests
from kafka_connect import KafkaConnect

NAME = "by-python"
CLASS = "org.apache.kafka.connect.file.FileStreamSourceConnector"
CONFIG = {"connector.class": CLASS, "tasks.max": "1", "file": "in.txt", "topic": "wk-by-python"}

client = KafkaConnect(url=sys.argv[1])


def until(what, is_it):
    """Asks until the answer is as it should be."""
    end = time.monotonic() + 60
    while not is_it(answer := what()):
        assert time.monotonic() < end, answer
        time.sleep(0.05)
    return answer


def state(expected):
    """Waits until the connector, and its tasks if it has any, are in a state."""

    def is_it(status):
        states = [status["connector"], *status["tasks"]]
        return all(it["state"] == expected for it in states)

    until(lambda: client.get_connector_status(NAME), is_it)
    print(NAME, expected)


assert re.fullmatch(r"\d+\.\d+\.\d+.*", client.get_cluster_info()["version"])
assert any(it["class"] == CLASS for it in client.list_connector_plugins())
validated = client.validate_connector_config(CLASS, {**CONFIG, "name": NAME})
assert validated["error_count"] == 0, validated
bad = client.validate_connector_config(CLASS, {"connector.class": CLASS, "name": NAME})
assert bad["error_count"] > 0, bad

made = client.create_connector({"name": NAME, "config": CONFIG})
assert made["name"] == NAME and made["type"] == "source", made
try:
    client.create_connector({"name": NAME, "config": CONFIG})
    raise AssertionError("a second one of the name was taken")
except requests.HTTPError as error:
    assert error.response.status_code == 409, error
state("RUNNING")
assert client.list_connectors(state="running") == [NAME] or NAME in client.list_connectors()
expanded = client.list_connectors(expand="status")
assert expanded[NAME]["status"]["name"] == NAME, expanded
assert client.get_connector(NAME)["tasks"] == [{"connector": NAME, "task": 0}]
assert client.get_connector_config(NAME)["topic"] == "wk-by-python"
until(lambda: client.list_connector_topics(NAME), lambda it: it[NAME]["topics"] == ["wk-by-python"])

client.pause_connector(NAME)
state("PAUSED")
client.resume_connector(NAME)
state("RUNNING")
client.restart_connector(NAME, include_tasks=True)
state("RUNNING")
client.restart_connector_task(NAME, 0)
until(
    lambda: client.get_connector_task_status(NAME, 0),
    lambda status: status["id"] == 0 and status["state"] == "RUNNING",
)
changed = client.update_connector(NAME, {**CONFIG, "batch.size": "7"})
assert changed["config"]["batch.size"] == "7", changed
client.reset_connector_topics(NAME)
client.stop_connector(NAME)
state("STOPPED")
assert client.list_connector_tasks(NAME) == []
client.delete_connector(NAME)
assert NAME not in client.list_connectors()
print(NAME, "is gone")
