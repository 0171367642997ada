import SigV4
import Testing
import Wire

@Suite struct SharedAccessTokenTests {
    private static let secret = Array(Example.credentials.secret.utf8)
    private static let noon = Timestamp(seconds: 1_800_000_000)

    private func token(_ folder: [String] = [], session: String? = nil) -> String {
        var credentials = Example.credentials
        credentials.sessionToken = session
        return SharedAccessToken.make(
            bucket: "eo", folder: folder, credentials: credentials, starts: Self.noon,
            expires: Self.noon.adding(seconds: 3600))
    }

    private func find(_ query: String, bucket: String = "eo", key: String) throws -> SharedAccessToken? {
        try SharedAccessToken.find(
            in: RequestHead(method: "GET", path: "/", query: Example.query(query), headers: [("host", "x")]),
            bucket: bucket, key: key)
    }

    @Test("a token opens all below its folder", arguments: [[], ["a"], ["a", "b c+&="], ["", "x"]])
    func opens(folder: [String]) throws {
        let query = token(folder, session: folder.isEmpty ? "session+/=" : nil)
        let found = try #require(try find(query, key: (folder + ["deep", "file"]).joined(separator: "/")))
        try found.verify(secret: Self.secret)
        #expect(found.folder == folder && found.accessKeyID == Example.credentials.accessKeyID)
        #expect(found.sessionToken == (folder.isEmpty ? "session+/=" : nil))
        // With parameters of the request's own beside it.
        try find(query + "&versionId=1", key: (folder + ["other"]).joined(separator: "/"))?.verify(secret: Self.secret)
    }

    @Test(
        "a token opens nothing else",
        arguments: [("eo", "a/bc/x"), ("eo", "a/b"), ("eo", "a"), ("eo", "A/b/x"), ("other", "a/b/x"), ("eo", "")])
    func opensNothingElse(bucket: String, key: String) {
        let query = token(["a", "b"])
        #expect(code { try find(query, bucket: bucket, key: key)?.verify(secret: Self.secret) } == .signatureMismatch)
    }

    @Test("whoever changes a parameter has no token any more")
    func changes() throws {
        let parameters = try Example.query(token(["a"])).items
        for index in parameters.indices {
            var changed = parameters
            changed[index].value = parameters[index].name == "sdd" ? "2" : "2027-03-01T00:00:00Z"
            let query = QueryItems(changed).encoded
            let code = code { try find(query, key: "a/b/c")?.verify(secret: Self.secret) }
            #expect(code == (parameters[index].name == "sig" ? .malformed : .signatureMismatch))
        }
        #expect(code { try find(token(["a"]), key: "a/b")?.verify(secret: Self.secret + [1]) } == .signatureMismatch)
    }

    @Test("a token counts from its beginning to its end")
    func time() throws {
        let found = try #require(try find(token(), key: "a"))
        try found.checkTime(now: Self.noon)
        try found.checkTime(now: Self.noon.adding(seconds: 3600))
        #expect(code { try found.checkTime(now: Self.noon.adding(seconds: 3601)) } == .expired)
        #expect(code { try found.checkTime(now: Self.noon.adding(seconds: -3600)) } == .notYetValid)
    }

    @Test(
        "what is no token is said to be none",
        arguments: ["sdd=0", "sdd=65", "sdd=x", "sdd=-1", "sig=AAAA", "se=tomorrow", "X-Amz-Signature=00"])
    func malformed(other: String) throws {
        let name = try Example.query(other).items[0].name
        let kept = QueryItems(try Example.query(token(["a"])).items.filter { $0.name != name }).encoded
        let code = code { _ = try find(kept + "&" + other, key: "a/b") }
        #expect(code == (name == "X-Amz-Signature" ? .severalSignatures : .malformed))
    }

    @Test("a token of nobody is not looked at")
    func anonymous() throws {
        let query = SharedAccessToken.make(
            bucket: "eo", folder: [], credentials: nil, starts: Self.noon, expires: Self.noon)
        #expect(query.contains("se=") && !query.contains("sig="))
        #expect(try find(query, key: "a") == nil)
    }
}
