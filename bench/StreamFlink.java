/*
 * StreamFlink.java: Flink's Kafka source and JDBC sink by one SQL statement, in
 * a local cluster, until the end of the topic as it is at the start.
 *
 *   java StreamFlink.java BROKERS TOPIC JDBC-URL USER PASSWORD TABLE PARALLELISM BATCH
 */
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

public class StreamFlink {
    public static void main(String[] args) throws Exception {
        Configuration conf = new Configuration();
        conf.setString("parallelism.default", args[6]);
        conf.setString("taskmanager.numberOfTaskSlots", args[6]);
        conf.setString("table.exec.resource.default-parallelism", args[6]);
        // objects are not copied between the operators of a chain
        conf.setString("pipeline.object-reuse", "true");
        // the sink updates by its key; nothing is to be merged before
        conf.setString("table.exec.sink.upsert-materialize", "NONE");
        conf.setString("table.exec.sink.not-null-enforcer", "DROP");
        conf.setString("rest.bind-port", "0");

        String columns = "event_id STRING, event_time TIMESTAMP(6), admission_id BIGINT, patient_id BIGINT,"
            + " from_ward STRING, to_ward STRING, reason STRING, status STRING, staff_id BIGINT";
        TableEnvironment env = TableEnvironment.create(
            EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(conf).build());

        // times are read as UTC without their Z, and written to a session in UTC
        env.executeSql("CREATE TABLE source (" + columns.replace("TIMESTAMP(6)", "TIMESTAMP_LTZ(6)") + ") WITH ("
            + "'connector' = 'kafka', 'topic' = '" + args[1] + "',"
            + "'properties.bootstrap.servers' = '" + args[0] + "', 'properties.group.id' = 'stream-flink',"
            + "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',"
            + "'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')");
        env.getConfig().setLocalTimeZone(java.time.ZoneId.of("UTC"));
        env.executeSql("CREATE TABLE target (" + columns + ", PRIMARY KEY (event_id) NOT ENFORCED) WITH ("
            + "'connector' = 'jdbc', 'url' = '" + args[2] + "', 'table-name' = '" + args[5] + "',"
            + "'username' = '" + args[3] + "', 'password' = '" + args[4] + "',"
            + "'sink.buffer-flush.max-rows' = '" + args[7] + "', 'sink.buffer-flush.interval' = '1s')");
        env.executeSql("INSERT INTO target SELECT event_id, CAST(event_time AS TIMESTAMP(6)), admission_id,"
            + " patient_id, from_ward, to_ward, reason, status, staff_id FROM source").await();
    }
}
