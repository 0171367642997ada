import LDAPMessage
import Testing
import Wire

@testable import Identity
@testable import LDAPAPI

@Suite struct TreeTests {
    @Test(
        "the base follows from the node's name",
        arguments: [
            ("data.example.org", "dc=data,dc=example,dc=org"), ("127.0.0.1", "dc=martlet"), ("localhost", "dc=martlet"),
            ("", "dc=martlet"), ("[", "dc=martlet"),
        ])
    func base(host: String, expected: String) { #expect(DirectoryTree.base(forHost: host) == expected) }

    @Test("names lead where they should, whatever their case and spaces")
    func places() throws {
        let tree = try DirectoryTree(base: "dc=Example,dc=org")
        for (text, place) in [
            ("", .root), ("CN=subschema", .schema), ("DC=EXAMPLE, dc=Org", .base),
            ("ou=People,dc=example,dc=org", .branch(.people)),
            ("userid=Ada,ou=people,dc=example,dc=org", .leaf(.people, "Ada")),
            ("cn=Ada,ou=people,dc=example,dc=org", .nowhere(above: "ou=people,dc=Example,dc=org")),
            ("ou=x,dc=example,dc=org", .nowhere(above: "dc=Example,dc=org")), ("dc=org", .nowhere(above: "")),
            ("uid=a,uid=b,ou=people,dc=example,dc=org", .nowhere(above: "ou=people,dc=Example,dc=org")),
        ] as [(String, DirectoryTree.Place)] {
            #expect(try tree.place(text) == place)
        }
    }

    @Test("times are written and read")
    func times() throws {
        let time = Timestamp(seconds: 1_795_268_700)
        #expect(Timestamp(generalizedTime: time.generalizedTime) == time)
        #expect(Timestamp(generalizedTime: "2026112113Z")?.generalizedTime == "20261121130000Z")
        #expect(Timestamp(generalizedTime: "20261121130000.5+0130")?.generalizedTime == "20261121113000Z")
        for text in ["", "2026", "20261121130000", "20261321130000Z", "20261121130000+1", "Z"] {
            #expect(Timestamp(generalizedTime: text) == nil, "\(text)")
        }
    }

    @Test(
        "a password is taken from this machine or over TLS, from nowhere else",
        arguments: [
            ("127.0.0.1", false, true), ("::1", false, true), ("::ffff:127.0.0.1", false, true),
            ("10.0.0.7", false, false), ("10.0.0.7", true, true), ("2001:db8::1", false, false), ("", false, false),
        ])
    func confidentiality(address: String, isSecure: Bool, isTaken: Bool) {
        let session = LDAPService.Session(address: address, isSecure: isSecure, canSecure: !isSecure)
        #expect(session.isConfidential == isTaken)
    }
}
