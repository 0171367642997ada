import BucketConfiguration
import Testing
import Wire

@Suite struct NotificationTests {
    private static func queue(
        _ events: String..., arn: String = "arn:aws:sqs:us-east-1:1:q", filter: String = "", id: String = ""
    )
        -> String
    {
        "<QueueConfiguration><Id>\(id)</Id><Queue>\(arn)</Queue>"
            + events.map { "<Event>\($0)</Event>" }.joined() + filter + "</QueueConfiguration>"
    }

    private static func filter(_ rules: (String, String)...) -> String {
        "<Filter><S3Key>"
            + rules.map { "<FilterRule><Name>\($0.0)</Name><Value>\($0.1)</Value></FilterRule>" }.joined()
            + "</S3Key></Filter>"
    }

    @Test("who is told depends on the event, the prefix and the suffix")
    func matching() throws {
        let configuration = try NotificationConfiguration.parse(
            Self.queue(
                "s3:ObjectCreated:*", arn: "arn:martlet:webhook:::https://hooks.example.org/a?b=c",
                filter: Self.filter(("Prefix", "in/"), ("suffix", ".tif")), id: "new")
                + Self.queue("s3:ObjectRemoved:Delete", "s3:ObjectTagging:*", id: "gone"))
        #expect(configuration.isStable)
        #expect(configuration.matching(event: "s3:ObjectCreated:Put", key: "in/a.tif").map(\.id) == ["new"])
        #expect(configuration.matching(event: "s3:ObjectCreated:Put", key: "in/a.jp2").isEmpty)
        #expect(configuration.matching(event: "s3:ObjectRemoved:Delete", key: "x").map(\.id) == ["gone"])
        #expect(configuration.matching(event: "s3:ObjectRemoved:DeleteMarkerCreated", key: "x").isEmpty)
        #expect(configuration.targets.map(\.destination) == [.address("https://hooks.example.org/a?b=c"), nil])
        let named = try NotificationConfiguration.parse(
            Self.queue("s3:ObjectCreated:*", arn: "arn:martlet:webhook:::ops"))
        #expect(named.targets.map(\.destination) == [.name("ops")])
        #expect(try NotificationConfiguration.parse("").targets.isEmpty)
    }

    @Test(
        "what S3 refuses is refused with its code",
        arguments: [
            (queue(), "MalformedXML"), (queue("s3:Nothing:*"), "InvalidArgument"),
            (queue("s3:ObjectCreated:*", arn: "queue"), "InvalidArgument"),
            (queue("s3:ObjectCreated:*", arn: "arn:martlet:webhook:::ftp://a"), "InvalidArgument"),
            (queue("s3:ObjectCreated:*", arn: "arn:martlet:webhook:::https://"), "InvalidArgument"),
            (queue("s3:ObjectCreated:*", arn: "arn:martlet:webhook:::a/b"), "InvalidArgument"),
            (queue("s3:ObjectCreated:*", arn: "arn:martlet:webhook:::"), "InvalidArgument"),
            (queue("s3:ObjectCreated:*", filter: filter(("middle", "x"))), "InvalidArgument"),
            (queue("s3:ObjectCreated:*", filter: filter(("prefix", "x"), ("prefix", "y"))), "InvalidArgument"),
            (queue("s3:ObjectCreated:*") + queue("s3:ObjectCreated:Put"), "InvalidArgument"),
            ("<EventBridgeConfiguration/>", "NotImplemented"), ("<Other/>", "MalformedXML"),
        ])
    func refusals(document: String, code: String) {
        #expect(NotificationConfiguration.fault(document) == code)
    }

    @Test("two targets may share an event on keys that cannot be the same")
    func overlap() {
        #expect(
            NotificationConfiguration.fault(
                Self.queue("s3:ObjectCreated:*", filter: Self.filter(("prefix", "a/")))
                    + Self.queue("s3:ObjectCreated:*", filter: Self.filter(("prefix", "b/")))) == nil)
    }

    @Test("the message has S3's members, and the key as in a form")
    func record() throws {
        let record = EventRecord(
            event: "s3:ObjectCreated:Put", time: Timestamp(seconds: 0), principal: "ada", address: "::1",
            requestID: "r", configuration: "c", bucket: "eo", bucketOwner: "ada", key: "a b/ü+.tif", size: 3,
            etag: "e", sequencer: "0A")
        let message = try JSONValue(parsing: EventRecord.message([record]))
        let entry = try #require(message["Records"]?.array?.first)
        #expect(entry["eventName"]?.string == "ObjectCreated:Put" && entry["eventSource"]?.string == "aws:s3")
        #expect(entry["eventVersion"]?.string == "2.1")
        #expect(entry["eventTime"]?.string == "1970-01-01T00:00:00.000Z")
        #expect(entry["s3"]?["object"]?["key"]?.string == "a+b/%C3%BC%2B.tif")
        #expect(entry["s3"]?["bucket"]?["arn"]?.string == "arn:aws:s3:::eo")
        #expect(entry["s3"]?["object"]?["size"]?.integer == 3 && entry["s3"]?["object"]?["versionId"] == nil)
    }
}
