"""Writes a topic in Protobuf and one by a JSON Schema, with Confluent's own client.

Arguments: Kafka's address, the registry's, the two topics.
"""

import sys

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

kafka, registry_url, protobuf_topic, json_topic = sys.argv[1:]
registry = SchemaRegistryClient({"url": registry_url})
producer = Producer({"bootstrap.servers": kafka})
topics = [NewTopic(topic, 1, 1) for topic in (protobuf_topic, json_topic)]
# Its answers end with it.
admin = AdminClient({"bootstrap.servers": kafka})
for made in admin.create_topics(topics).values():
    made.result(60)

Field = descriptor_pb2.FieldDescriptorProto


def file_of(name, message, fields, imports=()):
    """One file with one message; a field is its name, its type and the name of that."""
    file = descriptor_pb2.FileDescriptorProto(name=name, package="formats.shop", syntax="proto3")
    file.dependency.extend(imports)
    made = file.message_type.add(name=message)
    for number, (name, kind, of, label) in enumerate(fields, 1):
        made.field.add(name=name, number=number, type=kind, type_name=of, label=label, json_name=name)
    return file


ONE, MANY = Field.LABEL_OPTIONAL, Field.LABEL_REPEATED
money = file_of("formats/money.proto", "Money", [
    ("units", Field.TYPE_INT64, None, ONE),
    ("currency", Field.TYPE_STRING, None, ONE),
])
order = file_of("formats/order.proto", "Order", [
    ("id", Field.TYPE_INT64, None, ONE),
    ("name", Field.TYPE_STRING, None, ONE),
    ("price", Field.TYPE_MESSAGE, ".formats.shop.Money", ONE),
    ("at", Field.TYPE_MESSAGE, ".google.protobuf.Timestamp", ONE),
    ("tags", Field.TYPE_STRING, None, MANY),
], ["formats/money.proto", "google/protobuf/timestamp.proto"])
pool = descriptor_pool.DescriptorPool()
pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
pool.AddSerializedFile(money.SerializeToString())
pool.AddSerializedFile(order.SerializeToString())
Order = message_factory.GetMessageClass(pool.FindMessageTypeByName("formats.shop.Order"))

serializer = ProtobufSerializer(Order, registry, {"use.deprecated.format": False})
context = SerializationContext(protobuf_topic, MessageField.VALUE)
first = Order(id=1, name="Ada", tags=["a", "b"])
first.price.units = 12
first.price.currency = "EUR"
first.at.seconds = 1_700_000_000
for key, message in [("1", first), ("2", Order(id=2))]:
    producer.produce(protobuf_topic, key=key, value=serializer(message, context))
producer.produce(protobuf_topic, key="3", value=serializer(Order(id=3), context))
producer.produce(protobuf_topic, key="3", value=None)

part = '{"$id": "formats/part.json", "title": "Part", "type": "object", "properties": {"n": {"type": "integer"}}}'
registry.register_schema("formats-part", Schema(part, "JSON"))
whole = """{"title": "Whole", "type": "object", "properties": {
    "id": {"type": "integer", "connect.type": "int32"},
    "name": {"oneOf": [{"type": "null"}, {"type": "string"}]},
    "on": {"type": "integer", "title": "org.apache.kafka.connect.data.Date", "connect.type": "int32"},
    "part": {"$ref": "formats/part.json"}}}"""
reference = SchemaReference("formats/part.json", "formats-part", 1)
serializer = JSONSerializer(Schema(whole, "JSON", [reference]), registry)
context = SerializationContext(json_topic, MessageField.VALUE)
value = {"id": 1, "name": None, "on": 19_782, "part": {"n": 7}}
producer.produce(json_topic, key="j1", value=serializer(value, context))
assert producer.flush(60) == 0
