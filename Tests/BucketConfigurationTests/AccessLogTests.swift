import BucketConfiguration
import Testing
import Wire

@Suite struct AccessLogTests {
    private func time(_ text: String) throws -> Timestamp { try #require(Timestamp(rfc3339: text)) }

    @Test("a line has S3's fields in S3's order")
    func line() throws {
        var line = AccessLogLine(
            owner: "ada", bucket: "eo", time: try time("2026-11-21T03:56:00Z"), address: "192.0.2.3",
            requestID: "3E57427F33A59F07", operation: "REST.GET.OBJECT", request: "GET /eo/a%20b HTTP/1.1", status: 200,
            totalMilliseconds: 12)
        #expect(
            line.text
                == """
                ada eo [21/Nov/2026:03:56:00 +0000] 192.0.2.3 - 3E57427F33A59F07 REST.GET.OBJECT - \
                "GET /eo/a%20b HTTP/1.1" 200 - - - 12 - "-" "-" - - - - - - - - -
                """)
        line.requester = "bob"
        line.key = "a b"
        line.error = "NoSuchKey"
        line.bytesSent = 3
        line.objectSize = 4
        line.turnAroundMilliseconds = 5
        line.referer = "http://a/"
        line.userAgent = "agent 1"
        line.version = "v"
        line.signature = "SigV4"
        line.authentication = "AuthHeader"
        line.host = "s3.example.org:9000"
        #expect(
            line.text
                == """
                ada eo [21/Nov/2026:03:56:00 +0000] 192.0.2.3 bob 3E57427F33A59F07 REST.GET.OBJECT a%2520b \
                "GET /eo/a%20b HTTP/1.1" 200 NoSuchKey 3 4 12 5 "http://a/" "agent 1" v - SigV4 - AuthHeader \
                s3.example.org:9000 - - -
                """)
    }

    @Test("what a client says ends no field and no line")
    func escapes() {
        var line = AccessLogLine(
            owner: "ada", bucket: "eo", time: Timestamp(seconds: 0), address: "::1", requestID: "r", operation: "o",
            request: "GET /\" 200 - HTTP/1.1", status: 403, totalMilliseconds: 0)
        line.userAgent = "a\nb\u{7F}\"c"
        line.host = "a b"
        line.version = "1 \"2"
        #expect(line.text.contains("\"GET /%22 200 - HTTP/1.1\""))
        #expect(line.text.contains("\"a%0Ab%7F%22c\" 1%20%222 -"))
        #expect(line.text.contains(" a%20b - - -"))
        #expect(!line.text.contains("\n"))
    }

    @Test("log objects have S3's keys")
    func keys() throws {
        func key(_ format: String) throws -> String? {
            let document = """
                <LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix>\(format)</LoggingEnabled>
                """
            return try LoggingConfiguration.parse(document).target?.key(
                source: "eo", owner: "ada", eventTime: try time("2026-11-20T23:59:59Z"),
                deliveryTime: try time("2026-11-21T03:56:07Z"), unique: "1A")
        }
        func partitioned(_ source: String) -> String {
            "<TargetObjectKeyFormat><PartitionedPrefix>\(source)</PartitionedPrefix></TargetObjectKeyFormat>"
        }
        let simple = "p/2026-11-21-03-56-07-1A"
        #expect(try key("") == simple)
        #expect(try key("<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>") == simple)
        let delivered = "p/ada/us-east-1/eo/2026/11/21/2026-11-21-03-56-07-1A"
        #expect(try key(partitioned("")) == delivered)
        #expect(try key(partitioned("<PartitionDateSource>DeliveryTime</PartitionDateSource>")) == delivered)
        #expect(
            try key(partitioned("<PartitionDateSource>EventTime</PartitionDateSource>"))
                == "p/ada/us-east-1/eo/2026/11/20/2026-11-20-00-00-00-1A")
    }
}
