import SigV4
import Testing
import Wire

/// Signatures that botocore 1.43.11 made for keys that are easy to encode wrongly, on 2026-01-31 in eu-west-1.
struct BotocoreTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var method: String
        var path: String
        var query: String
        var headers: [(name: String, value: String)] = []
        var signature: String
        var testDescription: String { "\(method) \(path)?\(query)" }
    }

    static let cases: [Case] = [
        Case(
            method: "GET", path: "/eo/plain.txt", query: "",
            signature: "973a9b3f9c2c8a6294fa6dc6ce9c5fd8d7b8c0126852ca6e48acd19d6258cda1"),
        Case(
            method: "GET", path: "/eo/with%20space.txt", query: "",
            signature: "24066107838bfd54ea1ab8b33e741ea8ffb7b1cc24cad6faf5d2386824e5acfa"),
        Case(
            method: "GET", path: "/eo/a%2Bb%2Fc", query: "",
            signature: "8f083d048de9c649c31ad1dfc79c7441ec081402f5cb051bdb0c356d63aaffc1"),
        Case(
            method: "GET", path: "/eo//double//slash/", query: "",
            signature: "61f7fc5a5c5e1bfa6272e9ff55d63808ae257c4987110f42561e4c6481df1ad2"),
        Case(
            method: "GET", path: "/eo/../dots/./x", query: "",
            signature: "91c4f00258a0e9cd0d6c3f2305a344a578673f09249dce150158e8b506a89b69"),
        Case(
            method: "PUT", path: "/eo/%C3%BCber/%E6%B0%B4.jp2", query: "",
            headers: [("Content-Type", "image/jp2"), ("x-amz-meta-note", "  two   spaces  ")],
            signature: "5c1c2e81b8e94c3a8ebcc54d03cd3d3275743fad46eb3fdae066ebf66ea9c9cf"),
        Case(
            method: "GET", path: "/eo/~tilde-._", query: "",
            signature: "c5737bee3fd14fbdfc750b299927b7e2df285359816cae19ae5369309c749d55"),
        Case(
            method: "GET", path: "/eo/%28paren%29%2A%27%21", query: "",
            signature: "47f5675dd73ac1deda8009fb67283b2f591b56cd76e51266f6260ba7d59c6207"),
        Case(
            method: "GET", path: "/eo", query: "list-type=2&prefix=a%20b%2Fc%2Bd&delimiter=%2F&encoding-type=url",
            signature: "2ddf3cd10d6da75da34f88a56cb264ea574230df30d6c1c28ff0fbe01b2c1e40"),
        Case(
            method: "GET", path: "/eo", query: "lifecycle",
            signature: "0f05b2ac593d4f3a65b7062250777c4d0d54d055775dbb582c5eb92ff1ea7dd5"),
        Case(
            method: "GET", path: "/eo", query: "versions=&prefix=%C3%BC&key-marker=",
            signature: "e4fe052dad0a99400d12d5c2d34d7fb1699f1c3a3abe23ab45ee97d4ad1b104c"),
        Case(
            method: "GET", path: "/eo", query: "b=2&a=1&a=0&A=3&a-=4",
            signature: "8b7be031729405d8c238a667e0a8596e58912b95e24fcb95e02bbf8e84f62679"),
        Case(
            method: "GET", path: "/", query: "",
            signature: "f7274638760211fac0532227e1ac4dccb34ae3ab3ef2d18aa61f014558040d77"),
    ]

    static let host: [(name: String, value: String)] = [("Host", "data.example.org")]

    @Test("our signer and botocore agree", arguments: cases)
    func agree(_ c: Case) throws {
        let head = RequestHead(
            method: c.method, path: c.path, query: try Example.query(c.query), headers: Self.host + c.headers)
        let added = try Signer(credentials: Example.credentials, region: "eu-west-1")
            .sign(head, payload: .ofNothing, date: try Example.time("20260131T235958Z"))
        #expect(try #require(added.last).value.hasSuffix("Signature=\(c.signature)"))
        var sent = head
        sent.headers += added
        let claim = try #require(try Authorization.find(in: sent, service: "s3"))
        try claim.verify(sent, key: Example.key(claim), now: claim.date)
    }

    @Test("a path that is encoded less or more than it should be has the same signature")
    func lenientPath() throws {
        for path in ["/eo/(paren)*'!", "/eo/%28p%61ren)%2a'%21"] {
            let head = RequestHead(method: "GET", path: path, query: QueryItems(), headers: Self.host)
            let added = try Signer(credentials: Example.credentials, region: "eu-west-1")
                .sign(head, payload: .ofNothing, date: try Example.time("20260131T235958Z"))
            #expect(
                try #require(added.last).value.hasSuffix(
                    "47f5675dd73ac1deda8009fb67283b2f591b56cd76e51266f6260ba7d59c6207"))
        }
    }

    @Test("a session token is signed as botocore signs it")
    func token() throws {
        var credentials = Example.credentials
        credentials.sessionToken = "SESSION/TOKEN+=="
        var head = RequestHead(method: "GET", path: "/eo/plain.txt", query: QueryItems(), headers: Self.host)
        head.headers += try Signer(credentials: credentials, region: "eu-west-1")
            .sign(head, payload: .ofNothing, date: try Example.time("20260131T235958Z"))
        let claim = try #require(try Authorization.find(in: head, service: "s3"))
        #expect(claim.sessionToken == "SESSION/TOKEN+==")
        #expect(claim.signature == "93a3cb2b7f9097c747bd300ea24cd8853b04646c2ea2b676642c373af7414d76")
    }

    @Test(
        "presigned URLs and botocore's agree",
        arguments: [
            (
                "GET", "/eo/plain.txt", "", nil,
                "6ba2e3dd4fa03413badc6cfcf6a888f14a213b319f9efb6c9b76e8955d663168"
            ),
            (
                "PUT", "/eo/with%20space%2Bplus.txt", "partNumber=1&uploadId=a%2Fb", nil,
                "2f514cb4c0592e99b6b5aba96c520e8d064e8d1414374134077145106e7b81a3"
            ),
            (
                "GET", "/eo//x/", "response-content-type=text%2Fplain", "SESSION/TOKEN+==",
                "704e8eab6594d245294a5be80c82ddf814ec4911c9ccca36953632721366e963"
            ),
        ] as [(String, String, String, String?, String)])
    func presigned(method: String, path: String, query: String, token: String?, signature: String) throws {
        var credentials = Example.credentials
        credentials.sessionToken = token
        let url = try Signer(credentials: credentials, region: "eu-west-1").presign(
            method: method, host: "data.example.org", path: path, query: try Example.query(query), expires: 3600,
            date: try Example.time("20260131T235958Z"))
        #expect(url.hasSuffix("X-Amz-Signature=\(signature)"))
        let head = RequestHead(method: method, path: path, query: try Example.query(url), headers: Self.host)
        let claim = try #require(try Authorization.find(in: head, service: "s3"))
        #expect(claim.sessionToken == token)
        try claim.verify(head, key: Example.key(claim), now: claim.date.adding(seconds: 60))
    }

    @Test("an STS request without x-amz-content-sha256 verifies against the hash of its body")
    func sts() throws {
        let head = RequestHead(
            method: "POST", path: "/", query: QueryItems(),
            headers: [
                ("Host", "sts.example.org"), ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
                ("X-Amz-Date", "20260131T235958Z"),
                (
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260131/us-east-1/sts/aws4_request, "
                        + "SignedHeaders=content-type;host;x-amz-date, "
                        + "Signature=b3fec87aae25ac769fa567701ec3caf182a99371becf46f69ccfd3485d2e683d"
                ),
            ])
        let claim = try #require(try Authorization.find(in: head, service: "sts"))
        #expect(claim.payload == .absent)
        let hash = PayloadHash(of: Array("Action=GetCallerIdentity&Version=2011-06-15".utf8)).text
        try claim.verify(head, key: Example.key(claim), bodyHash: hash, now: claim.date)
        #expect(code { try claim.verify(head, key: Example.key(claim), now: claim.date) } == .headerMissing)
        #expect(code { _ = try Authorization.find(in: head, service: "s3") } == .scopeMismatch)
    }
}
