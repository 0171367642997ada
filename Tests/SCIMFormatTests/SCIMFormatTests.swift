import SCIMFormat
import Testing
import Wire

private let user: JSONValue = [
    "id": "AB", "userName": "Ada", "active": true, "count": 3,
    "name": ["givenName": "Ada", "familyName": "Lovelace"],
    "emails": [
        ["value": "ada@example.org", "type": "work", "primary": true], ["value": "ada@home.example", "type": "home"],
    ],
    "meta": ["lastModified": "2026-11-21T12:00:00Z"],
]

@Suite("SCIM filters")
struct FilterTests {
    @Test(
        "what a filter says is what is found",
        arguments: [
            (#"userName eq "ada""#, true), (#"USERNAME EQ "ADA""#, true), (#"userName ne "ada""#, false),
            (#"id eq "ab""#, false), (#"id eq "AB""#, true), (#"userName sw "a""#, true), (#"userName ew "da""#, true),
            (#"userName co "d""#, true), (#"userName co "x""#, false), ("active eq true", true),
            ("active eq false", false), ("count gt 2", true), ("count le 2", false), ("title pr", false),
            ("name pr", true), (#"name.familyName eq "lovelace""#, true), (#"emails eq "ada@home.example""#, true),
            (#"emails.type eq "home""#, true), (#"emails[type eq "home" and value co "home"]"#, true),
            (#"emails[type eq "home" and primary eq true]"#, false), (#"title eq null"#, true),
            (#"not (userName eq "ada")"#, false), (#"userName eq "x" or active eq true and count eq 3"#, true),
            (#"(userName eq "x" or active eq true) and count eq 4"#, false),
            (#"meta.lastModified gt "2026-11-21T11:59:59.5Z""#, true),
            (#"meta.lastModified lt "2026-11-21T13:30:00+01:00""#, true),
            (#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada""#, true),
            (#"userName eq "a\"d a" or userName eq "ada""#, true),
        ])
    func filters(text: String, isFound: Bool) throws {
        #expect(try SCIMFilter(text).matches(user) == isFound)
    }

    @Test(
        "what is none is refused",
        arguments: [
            "", "userName", "userName eq", "eq \"x\"", "userName is \"x\"", "userName eq x", "(userName pr",
            "userName pr)", "userName pr and", "and", "not userName pr", "emails[type eq \"x\"", "a.b.c pr",
            "userName eq \"x", "userName eq {}", "userName eq \"\\", String(repeating: "(", count: 10_000),
            String(repeating: "not (", count: 1000), String(repeating: "a[", count: 2000) + "b pr",
            String(repeating: "a pr or ", count: 300) + "a pr", String(repeating: "x", count: 10_000),
        ])
    func refusals(text: String) {
        #expect(throws: SCIMError.self) { try SCIMFilter(text) }
    }

    @Test("no bytes bring the reader down")
    func fuzz() {
        let words = [
            "userName", "eq", "\"x\"", "(", ")", "[", "]", "and", "or", "not", "pr", " ", ".", "\\", "\"", "1e999", "é",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...12)).map { _ in words.randomElement() ?? "" }
                .joined(separator: Bool.random() ? " " : "")
            if let filter = try? SCIMFilter(text) { _ = filter.matches(user) }
            var object = user.object ?? JSONObject()
            try? SCIMPatch(["Operations": [["op": "replace", "path": .string(text), "value": "x"]]]).apply(to: &object)
        }
    }

    @Test("what has to be is known, to search for it alone")
    func narrowing() throws {
        #expect(try SCIMFilter(#"active eq true and userName eq "Ada""#).required("username") == "Ada")
        #expect(try SCIMFilter(#"active eq true or userName eq "Ada""#).required("username") == nil)
    }
}

@Suite("SCIM changes")
struct PatchTests {
    private func patched(_ operations: JSONValue) throws -> JSONValue {
        var object = user.object ?? JSONObject()
        try SCIMPatch(["Operations": operations]).apply(to: &object)
        return .object(object)
    }

    @Test("values are added, replaced and removed")
    func changes() throws {
        #expect(try patched([["op": "Replace", "path": "active", "value": false]])["active"] == false)
        #expect(try patched([["op": "replace", "value": ["ACTIVE": false]]])["active"] == false)
        let name = try patched([["op": "add", "path": "name.familyName", "value": "King"]])["name"]
        #expect(name == ["givenName": "Ada", "familyName": "King"])
        #expect(try patched([["op": "add", "value": ["name": ["familyName": "King"]]]])["name"] == name)
        #expect(try patched([["op": "remove", "path": "name.familyName"]])["name"] == ["givenName": "Ada"])
        let emails = try patched([["op": "remove", "path": #"emails[type eq "home"]"#]])["emails"]?.array
        #expect(emails?.count == 1)
        let work = try patched([["op": "replace", "path": #"emails[type eq "work"].value"#, "value": "new@x"]])
        #expect(work["emails"]?.array?.first?["value"] == "new@x")
        let other = try patched([["op": "add", "path": #"emails[type eq "other"].value"#, "value": "o@x"]])
        #expect(other["emails"]?.array?.last == ["type": "other", "value": "o@x"])
        let more = try patched([["op": "add", "path": "emails", "value": [["value": "c@x"]]]])
        #expect(more["emails"]?.array?.count == 3)
        let less = try patched([["op": "remove", "path": "emails", "value": [["value": "ada@example.org"]]]])
        #expect(less["emails"]?.array?.count == 1)
        #expect(try patched([["op": "remove", "path": "emails"]])["emails"] == nil)
    }

    @Test(
        "what cannot be done is refused",
        arguments: [
            [], [["op": "remove"]], [["op": "jump", "path": "a", "value": 1]], [["op": "add", "path": "a"]],
            [["op": "add", "value": 7]], [["op": "replace", "path": "emails[type co \"x\"].value", "value": "y"]],
            [["op": "add", "path": "emails[", "value": 1]], [["op": "add", "path": "emails].x", "value": 1]],
            [["op": "add", "path": "", "value": 1]],
        ] as [JSONValue])
    func refusals(operations: JSONValue) {
        #expect(throws: SCIMError.self) { try patched(operations) }
    }
}
