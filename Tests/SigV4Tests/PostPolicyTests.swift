import SigV4
import Testing
import Wire

@Suite struct PostPolicyTests {
    /// Amazon S3 API Reference, "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)".
    private static let published = """
        { "expiration": "2015-12-30T12:00:00.000Z",
          "conditions": [
            {"bucket": "sigv4examplebucket"},
            ["starts-with", "$key", "user/user1/"],
            {"acl": "public-read"},
            {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
            ["starts-with", "$Content-Type", "image/"],
            {"x-amz-meta-uuid": "14365123651274"},
            {"x-amz-server-side-encryption": "AES256"},
            ["starts-with", "$x-amz-meta-tag", ""],

            {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
            {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-date": "20151229T000000Z" }
          ]
        }
        """.replacing("\n", with: "\r\n")

    private static let fields = [
        ("key", "user/user1/a.png"), ("acl", "public-read"),
        ("success_action_redirect", "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"),
        ("Content-Type", "image/png"), ("x-amz-meta-uuid", "14365123651274"), ("x-amz-meta-tag", ""),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Date", "20151229T000000Z"),
        ("X-Amz-Signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
    ]

    private static func field(_ name: String) -> String? { fields.first { $0.0.lowercased() == name }?.1 }

    @Test("the published example verifies, and nothing else")
    func signature() throws {
        let signature = try PostSignature(Self.field)
        let key = SigningKey(secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", scope: signature.scope)
        let policy = Base64.encode(Array(Self.published.utf8))
        try signature.verify(policy: policy, key: key)
        #expect(throws: SignatureError.self) { try signature.verify(policy: policy + "=", key: key) }
        let other = SigningKey(secret: "another", scope: signature.scope)
        #expect(throws: SignatureError.self) { try signature.verify(policy: policy, key: other) }
    }

    private func refusal(
        _ policy: String, _ fields: [(String, String)], bucket: String = "sigv4examplebucket", at time: String
    ) throws -> PostPolicyError? {
        let policy = try PostPolicy(base64: Base64.encode(Array(policy.utf8)))
        do throws(PostPolicyError) {
            try policy.check(
                fields.map { (name: $0.0, value: $0.1) }, bucket: bucket, now: Timestamp(rfc3339: time) ?? .now)
            return nil
        } catch {
            return error
        }
    }

    @Test("its form is allowed until it expires, and as it stands")
    func published() throws {
        let day = "2015-12-29T12:00:00Z"
        #expect(try refusal(Self.published, Self.fields, at: day) == nil)
        #expect(
            try refusal(Self.published, Self.fields + [("x-ignore-this", "a"), ("file", "")], at: day) == nil)
        #expect(try refusal(Self.published, Self.fields, at: "2015-12-30T12:00:00Z") == .refused("Policy expired."))
        #expect(try refusal(Self.published, Self.fields, bucket: "other", at: day) != nil)
        #expect(
            try refusal(Self.published, Self.fields + [("tagging", "x")], at: day)
                == .refused("Extra input fields: tagging"))
        for index in Self.fields.indices.dropLast() where Self.fields[index].0 != "x-amz-meta-tag" {
            var changed = Self.fields
            changed[index].1 = "changed"
            #expect(try refusal(Self.published, changed, at: day) != nil, "\(changed[index].0)")
            changed.remove(at: index)
            #expect(try refusal(Self.published, changed, at: day) != nil, "without \(Self.fields[index].0)")
        }
    }

    @Test("several ranges of the length leave what all of them allow")
    func ranges() throws {
        func range(_ conditions: String) throws -> ClosedRange<Int64>? {
            let text = #"{"expiration": "2999-01-01T00:00:00Z", "conditions": [\#(conditions)]}"#
            return try PostPolicy(base64: Base64.encode(Array(text.utf8))).lengthRange
        }
        #expect(try range("") == nil)
        #expect(try range(#"["content-length-range", 1, 10]"#) == 1...10)
        #expect(try range(#"["Content-Length-Range", "1", "10"], ["content-length-range", 5, 50]"#) == 5...10)
        for wrong in [
            #"["content-length-range", 2, 1]"#, #"["content-length-range", 1]"#, #"["content-length-range", -1, 1]"#,
            #"["content-length-range", 1, 2], ["content-length-range", 3, 4]"#,
        ] {
            #expect(throws: PostPolicyError.self) { try range(wrong) }
        }
    }

    @Test("anything else is taken or refused")
    func fuzz() throws {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        for _ in 0..<2000 {
            var bytes = Array(Self.published.utf8)
            for _ in 0...below(4) {
                let place = below(bytes.count)
                let length = min(below(30), bytes.count - place)
                switch below(3) {
                case 0: bytes[place] = UInt8(below(256))
                case 1: bytes.removeSubrange(place..<(place + length))
                default: bytes.insert(contentsOf: bytes[place..<(place + length)], at: below(bytes.count))
                }
                if bytes.isEmpty { bytes = [0x7B] }
            }
            guard let policy = try? PostPolicy(base64: Base64.encode(bytes)) else { continue }
            try? policy.check(Self.fields.map { (name: $0.0, value: $0.1) }, bucket: "b", now: .now)
        }
    }
}
