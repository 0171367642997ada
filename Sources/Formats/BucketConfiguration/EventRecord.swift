package import Wire

/// One entry of the message that a target of notifications gets ("Event message structure", version 2).
package struct EventRecord: Sendable, Hashable {
    /// Like `s3:ObjectCreated:Put`; the message has it without `s3:`.
    package var event: String
    package var time: Timestamp
    package var region = "us-east-1"
    package var principal: String
    package var address: String
    package var requestID: String
    /// The name of the target's configuration.
    package var configuration: String
    package var bucket: String
    package var bucketOwner: String
    package var key: String
    /// None of a deletion.
    package var size: Int64?
    package var etag: String?
    package var version: String?
    /// Rises from event to event of one key; hexadecimal digits, of one length, so that texts compare like numbers.
    package var sequencer: String

    package init(
        event: String, time: Timestamp, principal: String, address: String, requestID: String, configuration: String,
        bucket: String, bucketOwner: String, key: String, size: Int64? = nil, etag: String? = nil,
        version: String? = nil, sequencer: String
    ) {
        self.event = event
        self.time = time
        self.principal = principal
        self.address = address
        self.requestID = requestID
        self.configuration = configuration
        self.bucket = bucket
        self.bucketOwner = bucketOwner
        self.key = key
        self.size = size
        self.etag = etag
        self.version = version
        self.sequencer = sequencer
    }

    /// `{"Records": […]}`.
    package static func message(_ records: [EventRecord]) -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.key("Records")
            json.array { json in for record in records { json.object { record.write(to: &$0) } } }
        }
        return json.bytes
    }

    /// What a destination is sent when it has been configured.
    package static func testMessage(bucket: String, time: Timestamp, requestID: String) -> [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.object {
            $0.member("Service", "Amazon S3")
            $0.member("Event", "s3:TestEvent")
            $0.member("Time", time.rfc3339Milliseconds)
            $0.member("Bucket", bucket)
            $0.member("RequestId", requestID)
            $0.member("HostId", requestID)
        }
        return json.bytes
    }

    func write(to json: inout JSONWriter) {
        json.member("eventVersion", "2.1")
        json.member("eventSource", "aws:s3")
        json.member("awsRegion", region)
        json.member("eventTime", time.rfc3339Milliseconds)
        json.member("eventName", event.hasPrefix("s3:") ? String(event.dropFirst(3)) : event)
        json.key("userIdentity")
        json.object { $0.member("principalId", principal) }
        json.key("requestParameters")
        json.object { $0.member("sourceIPAddress", address) }
        json.key("responseElements")
        json.object {
            $0.member("x-amz-request-id", requestID)
            $0.member("x-amz-id-2", requestID)
        }
        json.key("s3")
        json.object { json in
            json.member("s3SchemaVersion", "1.0")
            json.member("configurationId", configuration)
            json.key("bucket")
            json.object { json in
                json.member("name", bucket)
                json.key("ownerIdentity")
                json.object { $0.member("principalId", bucketOwner) }
                json.member("arn", "arn:aws:s3:::" + bucket)
            }
            json.key("object")
            json.object { json in
                json.member("key", Self.formEncoded(key))
                if let size { json.member("size", size) }
                if let etag { json.member("eTag", etag) }
                if let version { json.member("versionId", version) }
                json.member("sequencer", sequencer)
            }
        }
    }

    /// The key as in a form: readers of these messages undo `+` as well as `%20`.
    static func formEncoded(_ key: String) -> String {
        PercentEncoding.encode(key, keepingSlash: true).split(separator: "%20", omittingEmptySubsequences: false)
            .joined(separator: "+")
    }
}
