import HTTPSupport
import Testing

@Suite struct ObjectAddressTests {
    private let addresses = ObjectAddresses(
        s3: "http://127.0.0.1:9000", assets: "https://data.example.org",
        aliases: ["https://old.example.org", "https://*.s3.example.org"])

    @Test(
        "addresses of objects, signed already or not, by each of the node's names",
        arguments: [
            "s3://eo/a b/c+%20.tif", "http://127.0.0.1:9000/eo/a%20b/c+%2520.tif",
            "https://data.example.org/eo/a%20b/c%2B%2520.tif?X-Amz-Signature=00",
            "https://OLD.example.org/eo/a b/c+%2520.tif#x",
            "https://eo.s3.example.org/a%20b/c%2B%2520.tif",
        ])
    func known(href: String) {
        #expect(addresses.object(href) == ObjectName(collection: "eo", key: "a b/c+%20.tif"))
    }

    @Test(
        "addresses of others, and of no object",
        arguments: [
            "", "s3://", "s3://eo", "s3://eo/", "s3:///a", "https://data.example.org", "https://data.example.org/",
            "https://data.example.org/eo", "https://data.example.org/eo/", "https://data.example.org//a",
            "http://data.example.org/eo/a", "https://data.example.org:444/eo/a", "https://data.example.org.evil/eo/a",
            "https://s3.example.org/eo/a", "https://.s3.example.org/a", "https://data.example.org/eo/%zz",
            "https://data.example.org/eo/%00", "http://127.0.0.1:9000@evil.example/eo/a", "/eo/a",
        ])
    func others(href: String) { #expect(addresses.object(href) == nil) }
}
