import BucketConfiguration
import Testing

@Suite struct CORSTests {
    static let rules = """
        <CORSRule><ID>site</ID><AllowedOrigin>https://*.example.org</AllowedOrigin><AllowedMethod>GET</AllowedMethod>
        <AllowedMethod>PUT</AllowedMethod><AllowedHeader>X-Amz-*</AllowedHeader><AllowedHeader>content-type</AllowedHeader>
        <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>
        <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>
        """

    @Test("the first rule that fits origin, method and headers is found")
    func matching() throws {
        let cors = try CORSConfiguration.parse(Self.rules)
        #expect(cors.isStable && cors.rules.count == 2)
        let site = cors.matching(
            origin: "https://a.example.org", method: "PUT", requestHeaders: ["x-amz-date", "Content-Type"])
        #expect(site?.id == "site" && site?.exposedHeaders == ["ETag"] && site?.maxAgeSeconds == 600)
        #expect(site?.isForEveryOrigin == false)
        #expect(cors.matching(origin: "https://a.example.org", method: "PUT", requestHeaders: ["authorization"]) == nil)
        #expect(cors.matching(origin: "https://example.org", method: "GET") == nil)
        #expect(cors.matching(origin: "http://a.example.org", method: "GET") == nil)
        #expect(cors.matching(origin: "https://a.example.org", method: "DELETE") == nil)
        #expect(cors.matching(origin: "null", method: "HEAD")?.isForEveryOrigin == true)
    }

    @Test("what S3 refuses is refused with its code")
    func refusals() {
        func rule(_ origin: String, _ method: String, _ more: String = "") -> String {
            "<CORSRule><AllowedOrigin>\(origin)</AllowedOrigin><AllowedMethod>\(method)</AllowedMethod>\(more)</CORSRule>"
        }
        #expect(CORSConfiguration.fault(rule("*", "GET")) == nil)
        #expect(CORSConfiguration.fault("") == "MalformedXML")
        #expect(CORSConfiguration.fault(String(repeating: rule("*", "GET"), count: 100)) == nil)
        #expect(CORSConfiguration.fault(String(repeating: rule("*", "GET"), count: 101)) == "MalformedXML")
        #expect(CORSConfiguration.fault(rule("*", "PATCH")) == "InvalidRequest")
        #expect(CORSConfiguration.fault(rule("*a*", "GET")) == "InvalidRequest")
        #expect(CORSConfiguration.fault(rule("*", "GET", "<AllowedHeader>*-*</AllowedHeader>")) == "InvalidRequest")
        #expect(CORSConfiguration.fault(rule("*", "GET", "<ExposeHeader>x-*</ExposeHeader>")) == "InvalidRequest")
        #expect(CORSConfiguration.fault(rule("*", "GET", "<ExposeHeader>a\nb: c</ExposeHeader>")) == "InvalidRequest")
        #expect(CORSConfiguration.fault(rule("*", "GET", "<MaxAgeSeconds>-1</MaxAgeSeconds>")) == "MalformedXML")
        #expect(CORSConfiguration.fault(rule("*", "GET", "<Unknown/>")) == "MalformedXML")
        #expect(CORSConfiguration.fault("<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>") == "MalformedXML")
        let long = "<AllowedHeader>" + String(repeating: "a", count: 1000) + "</AllowedHeader>"
        #expect(CORSConfiguration.fault(rule("*", "GET", String(repeating: long, count: 60))) == nil)
        #expect(CORSConfiguration.fault(rule("*", "GET", String(repeating: long, count: 70))) == "MalformedXML")
        #expect(throws: ConfigurationError.self) { try CORSConfiguration(parsing: Array("<Other/>".utf8)) }
    }
}
