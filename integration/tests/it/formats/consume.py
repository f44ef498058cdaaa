"""Reads a topic of rowcast's in Protobuf or by JSON Schemas, with Confluent's own client.

Arguments: Kafka's address, the registry's, `protobuf` or `jsonschema`, the topic. Each committed record is
a line, `[key, value]` in JSON: bytes are in hexadecimal, decimals are texts, and what a message does not
have is null. Schemas of Protobuf are compiled by Google's compiler; each value in JSON is held against its
schema by the client.
"""

import base64
import decimal
import json
import pathlib
import subprocess
import sys
import tempfile

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.confluent import meta_pb2
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2, wrappers_pb2
from google.type import date_pb2, timeofday_pb2

kafka, registry_url, form, topic = sys.argv[1:]
registry = SchemaRegistryClient({"url": registry_url})


def number_of(data):
    """The number of the schema that wrote these bytes."""
    return int.from_bytes(data[1:5], "big")


def unscaled(data, scale):
    """The text of a decimal whose digits are these bytes."""
    return str(decimal.Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-scale))


# Confluent's client for Python has another name for it than Confluent's converter in Java.
DECIMAL = """syntax = "proto3";
package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
"""


def known_files():
    """What a schema may import without the registry having it, and is compiled already."""
    files = descriptor_pb2.FileDescriptorSet()
    for known in [descriptor_pb2, timestamp_pb2, wrappers_pb2, date_pb2, timeofday_pb2, meta_pb2]:
        known.DESCRIPTOR.CopyToProto(files.file.add())
    return files.SerializeToString()


def compiled(text):
    """The class of the first message of a schema."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "known.bin").write_bytes(known_files())
        (folder / "confluent/type").mkdir(parents=True)
        (folder / "confluent/type/decimal.proto").write_text(DECIMAL)
        (folder / "written.proto").write_text(text)
        protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={folder}/known.bin"]
        protoc += [f"-I{folder}", f"--descriptor_set_out={folder}/out.bin", "--include_imports", "written.proto"]
        subprocess.run(protoc, check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString((folder / "out.bin").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    written = pool.FindFileByName("written.proto")
    return message_factory.GetMessageClass(written.message_types_by_name[files.file[-1].message_type[0].name])


def of_message(message):
    """A message as a dictionary."""
    if message.DESCRIPTOR.full_name == "confluent.type.Decimal":
        return unscaled(message.value, message.scale)
    return {field.name: of_field(message, field) for field in message.DESCRIPTOR.fields}


def of_field(message, field):
    value = getattr(message, field.name)
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.is_repeated:
        return list(value)
    if field.message_type:
        return of_message(value)
    return value.hex().upper() if isinstance(value, bytes) else value


def of_json(value, schema, whole):
    """A value in JSON by its schema."""
    if "$ref" in schema:
        at = whole
        for name in schema["$ref"].removeprefix("#/").split("/"):
            at = at[name]
        return of_json(value, at, whole)
    if value is None:
        return None
    for choice in schema.get("oneOf", []):
        if choice.get("type") != "null":
            return of_json(value, choice, whole)
    if schema.get("title") == "org.apache.kafka.connect.data.Decimal":
        return unscaled(base64.b64decode(value), int(schema["connect.parameters"]["scale"]))
    if schema.get("connect.type") == "bytes":
        return base64.b64decode(value).hex().upper()
    if isinstance(value, dict):
        return {name: of_json(of, schema["properties"][name], whole) for name, of in value.items()}
    return value


readers = {}


def read(data, field):
    """A key or a value as what can be compared."""
    if data is None:
        return None
    number = number_of(data)
    if number not in readers:
        text = registry.get_schema(number).schema_str
        if form == "protobuf":
            reader = ProtobufDeserializer(compiled(text), {"use.deprecated.format": False})
        else:
            reader = JSONDeserializer(None, schema_registry_client=registry)
        readers[number] = (reader, None if form == "protobuf" else json.loads(text))
    reader, schema = readers[number]
    value = reader(data, SerializationContext(topic, field))
    return of_message(value) if schema is None else of_json(value, schema, schema)


consumer = Consumer({
    "bootstrap.servers": kafka,
    "group.id": "formats",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
})
consumer.assign([TopicPartition(topic, 0, 0)])
while True:
    record = consumer.poll(60)
    assert record is not None, "no answer"
    if record.error():
        assert record.error().code() == KafkaError._PARTITION_EOF, record.error()
        break
    print(json.dumps([read(record.key(), MessageField.KEY), read(record.value(), MessageField.VALUE)]))
