import Testing
import Wire

@testable import SCIMFormat

private let person: JSONValue = [
    "id": "2819c223", "userName": "bjensen", "active": true, "title": "Tour Guide",
    "name": ["familyName": "O'Malley", "givenName": "Barbara"],
    "meta": ["lastModified": "2026-05-13T04:42:34Z"],
    "emails": [
        ["value": "bjensen@example.com", "type": "work", "primary": true],
        ["value": "babs@home.example", "type": "home"],
    ],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": ["department": "Tour Operations"],
]

struct FilterTests {
    @Test(
        "what RFC 7644 shows, and what clients send",
        arguments: [
            (#"userName eq "bjensen""#, true), (#"USERNAME Eq "BJENSEN""#, true), (#"userName ne "bjensen""#, false),
            (#"name.familyName co "O'Malley""#, true), (#"userName sw "J""#, false), (#"userName ew "SEN""#, true),
            (#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "bj""#, true), ("title pr", true),
            ("nickName pr", false), (#"meta.lastModified gt "2011-05-13T04:42:34Z""#, true),
            (#"meta.lastModified lt "2026-05-13T06:42:34+02:00""#, false),
            (#"meta.lastModified le "2026-05-13T06:42:34+02:00""#, true),
            (#"title pr and userType eq "Employee""#, false), (#"title pr or userType eq "Intern""#, true),
            (#"emails[type eq "work" and value co "@example.com"]"#, true),
            (#"emails[type eq "home" and value co "@example.com"]"#, false), (#"emails co "home.example""#, true),
            (#"emails.type eq "home""#, true), (#"not (userName eq "x")"#, true), ("active eq true", true),
            ("active eq false", false), (#"id eq "2819C223""#, false),
            (#"userName eq "x" or userName eq "bjensen" and active eq true"#, true),
            (#"(userName eq "x" or userName eq "bjensen") and active eq false"#, false), ("nickName eq null", true),
            (#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tour operations""#, true),
            (#"userName eq "b\u006aensen""#, true),
        ])
    func matches(text: String, expected: Bool) throws {
        #expect(try SCIMFilter(parsing: text).matches(person) == expected)
    }

    @Test(
        "what is no filter is refused",
        arguments: [
            "", "userName", "userName eq", "userName is \"x\"", #"eq "x""#, #"userName eq "x" and"#, "(userName pr",
            "userName pr)", #"userName eq "x"#, "userName eq x", "active gt true", "active co 5", "name..x pr",
            #"emails[type eq "work""#, #"emails.value[type eq "x"]"#, "not userName pr", "a b c",
            #"userName eq {"a":1}"#,
            #"userName eq "a\"#,
        ])
    func refused(text: String) {
        #expect(throws: SCIMError.self) { try SCIMFilter(parsing: text) }
    }

    @Test("filters ten thousand deep, and long ones, end quickly")
    func deep() {
        let deep = [
            String(repeating: "(", count: 10_000) + "title pr", String(repeating: "not (", count: 10_000),
            String(repeating: "emails[", count: 1000),
            Array(repeating: "title pr", count: 900).joined(separator: " and "),
            Array(repeating: "title pr", count: 900).joined(separator: " or "), String(repeating: "a", count: 10_000),
        ]
        for text in deep { #expect(throws: SCIMError.self) { try SCIMFilter(parsing: text) } }
    }

    @Test("anything at all is read or refused")
    func fuzz() {
        var generator = SystemRandomNumberGenerator()
        let words = [
            "userName", "emails", "[", "]", "(", ")", "eq", "and", "or", "not", "pr", "\"x\"", "\"", "\\", " ", ".",
            "true", "null", "1", "-", "urn:", ":", "é", "\u{0}",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<12, using: &generator)
            let text = (0..<count).map { _ in words.randomElement(using: &generator) ?? "" }.joined(
                separator: Bool.random(using: &generator) ? " " : "")
            if let filter = try? SCIMFilter(parsing: text) { _ = filter.matches(person) }
            _ = try? PatchPath(parsing: text)
        }
    }

    @Test("an index answers what has to be equal")
    func required() throws {
        let name = AttributePath("userName")
        func value(_ text: String) throws -> String? { try SCIMFilter(parsing: text).requiredValue(of: name) }
        #expect(try value(#"active eq true and USERNAME eq "x""#) == "x")
        #expect(try value(#"active eq true or userName eq "x""#) == nil)
        #expect(try value(#"not (userName eq "x")"#) == nil)
        #expect(try value(#"userName sw "x""#) == nil)
    }
}
