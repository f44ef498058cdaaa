import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.HeaderConverter;

/** Asks Kafka Connect's header converters: bytes of "in" into data, or the data of "part" into bytes. */
public class Headers {
    static final ObjectMapper JSON = new ObjectMapper();
    static final JsonConverter PARTS = new JsonConverter();

    public static void main(String[] arguments) throws Exception {
        PARTS.configure(Map.of("schemas.enable", true, "replace.null.with.default", false), false);
        Path file = Path.of(arguments[0]);
        StringBuilder text = new StringBuilder("[\n");
        for (JsonNode each : (ArrayNode) JSON.readTree(Files.readString(file))) {
            ObjectNode one = (ObjectNode) each;
            one.set("out", answer(one));
            text.append(text.length() > 2 ? ",\n" : "").append(JSON.writeValueAsString(one));
        }
        Files.writeString(file, text.append("\n]\n"));
    }

    static JsonNode answer(ObjectNode one) {
        ObjectNode out = JSON.createObjectNode();
        try {
            Map<String, Object> config = new HashMap<>();
            one.get("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().asText()));
            config.put("converter.type", "header");
            HeaderConverter converter = (HeaderConverter)
                Class.forName((String) config.remove("type")).getConstructor().newInstance();
            converter.configure(config);
            if (one.has("part")) {
                JsonNode part = one.get("part");
                SchemaAndValue data = part.isNull() ? SchemaAndValue.NULL
                    : PARTS.toConnectData("t", JSON.writeValueAsBytes(part));
                byte[] bytes = converter.fromConnectHeader("t", "h", data.schema(), data.value());
                out.set("bytes", bytes == null ? null : JSON.getNodeFactory().textNode(Base64.getEncoder().encodeToString(bytes)));
            } else {
                JsonNode in = one.get("in");
                byte[] bytes = in.isNull() ? null : Base64.getDecoder().decode(in.asText());
                SchemaAndValue data = converter.toConnectHeader("t", "h", bytes);
                out.set("schema", schema(data.schema()));
                out.set("value", value(data.schema(), data.value()));
            }
        } catch (Throwable error) {
            out.removeAll();
            out.put("exception", error.getClass().getName()).put("message", error.getMessage());
        }
        return out;
    }

    /** The type's name, its semantic name and the types in it. */
    static JsonNode schema(Schema schema) {
        if (schema == null) return null;
        ObjectNode out = JSON.createObjectNode();
        out.put("type", schema.type().getName());
        if (schema.isOptional()) out.put("optional", true);
        if (schema.name() != null) out.put("name", schema.name());
        if (schema.version() != null) out.put("version", schema.version());
        if (schema.parameters() != null && !schema.parameters().isEmpty()) {
            ObjectNode all = out.putObject("parameters");
            schema.parameters().forEach(all::put);
        }
        switch (schema.type()) {
            case ARRAY: out.set("items", schema(schema.valueSchema())); break;
            case MAP: out.set("keys", schema(schema.keySchema())); out.set("values", schema(schema.valueSchema())); break;
            case STRUCT: for (Field field : schema.fields()) out.set("field " + field.name(), schema(field.schema())); break;
            default:
        }
        return out;
    }

    /** With the Java class, because a list may have values of any. */
    static JsonNode value(Schema schema, Object value) {
        ArrayNode out = JSON.createArrayNode();
        if (value == null) return null;
        if (value instanceof List<?>) {
            ArrayNode all = out.add("List").addArray();
            ((List<?>) value).forEach(each -> all.add(value(null, each)));
        } else if (value instanceof Map<?, ?>) {
            ArrayNode all = out.add("Map").addArray();
            ((Map<?, ?>) value).forEach((k, v) -> all.addArray().add(value(null, k)).add(value(null, v)));
        } else if (value instanceof java.util.Date) {
            out.add("Date").add(((java.util.Date) value).getTime());
        } else if (value instanceof byte[]) {
            out.add("bytes").add(Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof ByteBuffer) {
            out.add("ByteBuffer");
        } else if (value instanceof Struct) {
            ArrayNode all = out.add("Struct").addArray();
            for (Field field : ((Struct) value).schema().fields()) all.add(value(field.schema(), ((Struct) value).get(field)));
        } else {
            out.add(value.getClass().getSimpleName()).add(value.toString());
        }
        return out;
    }
}
