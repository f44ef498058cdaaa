import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/** Runs every case of a file through Kafka Connect's own classes and writes what they answer. */
public class Golden {
    static final ObjectMapper JSON = new ObjectMapper();
    static final JsonConverter CONVERTER = new JsonConverter();

    public static void main(String[] arguments) throws Exception {
        CONVERTER.configure(Map.of("schemas.enable", true, "schemas.cache.size", 1000, "replace.null.with.default", false), false);
        Path file = Path.of(arguments[0]);
        ArrayNode cases = (ArrayNode) JSON.readTree(Files.readString(file));
        StringBuilder text = new StringBuilder("[\n");
        for (JsonNode each : cases) {
            ObjectNode one = (ObjectNode) each;
            one.set("out", answer(one));
            text.append(text.length() > 2 ? ",\n" : "").append(JSON.writeValueAsString(one));
        }
        Files.writeString(file, text.append("\n]\n"));
    }

    static JsonNode answer(ObjectNode one) {
        ObjectNode out = JSON.createObjectNode();
        String stage = "config";
        try {
            Map<String, Object> config = new HashMap<>();
            one.get("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().asText()));
            Object plugin = Class.forName((String) config.remove("type")).getConstructor().newInstance();
            if (plugin instanceof Predicate<?>) {
                Predicate predicate = (Predicate) plugin;
                predicate.configure(config);
                stage = "record";
                out.put("holds", predicate.test(record(one.get("in"), false)));
                return out;
            }
            Transformation transform = (Transformation) plugin;
            transform.configure(config);
            stage = "record";
            ConnectRecord record = (ConnectRecord) transform.apply(record(one.get("in"), plugin.getClass().getName().contains("outbox")));
            stage = "output";
            out.set("record", record == null ? null : json(record));
        } catch (Throwable error) {
            out.put("stage", stage).put("exception", error.getClass().getName()).put("message", error.getMessage());
        }
        return out;
    }

    static SchemaAndValue part(String topic, JsonNode node) throws Exception {
        if (node == null || node.isNull()) return SchemaAndValue.NULL;
        return CONVERTER.toConnectData(topic, JSON.writeValueAsBytes(node));
    }

    static ConnectRecord record(JsonNode in, boolean isSource) throws Exception {
        SchemaAndValue key = part("t", in.get("key")), value = part("t", in.get("value"));
        ConnectHeaders headers = new ConnectHeaders();
        if (in.has("headers")) for (JsonNode header : in.get("headers")) headers.add(header.get(0).asText(), part("t", header.get(1)));
        JsonNode time = in.get("timestamp");
        Long timestamp = time == null || time.isNull() ? null : time.asLong();
        if (isSource) return new SourceRecord(null, null, in.get("topic").asText(), null, key.schema(), key.value(),
            value.schema(), value.value(), timestamp, headers);
        return new SinkRecord(in.get("topic").asText(), in.get("partition").asInt(), key.schema(), key.value(),
            value.schema(), value.value(), in.get("offset").asLong(), timestamp,
            TimestampType.CREATE_TIME, headers);
    }

    static JsonNode json(org.apache.kafka.connect.data.Schema schema, Object value) throws Exception {
        byte[] bytes = CONVERTER.fromConnectData("t", schema, value);
        return bytes == null ? null : JSON.readTree(bytes);
    }

    static JsonNode json(ConnectRecord record) throws Exception {
        ObjectNode out = JSON.createObjectNode();
        out.put("topic", record.topic()).put("partition", record.kafkaPartition());
        out.put("timestamp", record.timestamp());
        out.set("key", json(record.keySchema(), record.key()));
        out.set("value", json(record.valueSchema(), record.value()));
        ArrayNode headers = out.putArray("headers");
        for (Object each : record.headers()) { Header header = (Header) each; headers.addArray().add(header.key()).add(json(header.schema(), header.value())); }
        return out;
    }
}
