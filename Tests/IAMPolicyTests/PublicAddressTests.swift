import IAMPolicy
import Testing

@Suite struct PublicAddressTests {
    @Test(
        "addresses of the internet are public, all others are not",
        arguments: [
            ("8.8.8.8", true), ("::ffff:8.8.8.8", true), ("2a00:1450::1", true), ("127.0.0.1", false),
            ("10.1.2.3", false), ("172.16.0.1", false), ("172.32.0.1", true), ("192.168.1.1", false),
            ("169.254.169.254", false), ("100.64.0.1", false), ("0.0.0.0", false), ("224.0.0.1", false),
            ("255.255.255.255", false), ("::1", false), ("::", false), ("fe80::1", false), ("fd00::1", false),
            ("::ffff:127.0.0.1", false), ("64:ff9b::7f00:1", false), ("2002:7f00:1::", false), ("2001::1", false),
            ("ff02::1", false), ("", false), ("example.org", false), ("8.8.8.0/24", false),
        ])
    func addresses(address: String, isPublic: Bool) {
        #expect(PublicAddress.isPublic(address) == isPublic)
    }

    @Test(
        "the host of an address is found, and whether it says that it is not public",
        arguments: [
            ("https://example.org/a", "example.org", false), ("http://u:p@127.0.0.1:80/", "127.0.0.1", true),
            ("http://[::1]:80/", "::1", true), ("http://[2a00:1450::1]/", "2a00:1450::1", false),
            ("http://LOCALHOST", "LOCALHOST", true), ("http://a.localhost?x", "a.localhost", true),
            ("http://2130706433/", "2130706433", true), ("http://0x7f.1/", "0x7f.1", true), ("http://", "", true),
            ("http://1.example.org:8080", "1.example.org", false),
        ])
    func hosts(url: String, host: String, isForbidden: Bool) {
        #expect(PublicAddress.host(ofURL: url) == host)
        #expect(PublicAddress.isForbidden(host: host) == isForbidden)
    }
}
