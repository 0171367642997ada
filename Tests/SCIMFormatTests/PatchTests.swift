import Testing
import Wire

@testable import SCIMFormat

private let person = JSONObject([
    .init(name: "userName", value: "bjensen"), .init(name: "title", value: "Guide"),
    .init(name: "name", value: ["familyName": "Jensen", "givenName": "Barbara"]),
    .init(
        name: "emails",
        value: [
            ["value": "b@work.example", "type": "work", "primary": true], ["value": "b@home.example", "type": "home"],
        ]),
])

private func patched(_ operations: JSONValue, _ schema: SCIMSchema = .user, _ resource: JSONObject = person) throws
    -> JSONValue
{
    let body: JSONValue = ["Operations": operations]
    return .object(
        try schema.apply(PatchOperation.operations(of: body), to: resource, extensions: [.enterpriseUser]))
}

struct PatchTests {
    @Test("add, replace and remove of single values")
    func single() throws {
        let result = try patched([
            ["op": "Replace", "path": "title", "value": "Chief"], ["op": "add", "path": "nickname", "value": "Babs"],
            ["op": "remove", "path": "name.givenName"], ["op": "replace", "path": "NAME.familyName", "value": "J"],
        ])
        #expect(result["title"] == "Chief")
        #expect(result["nickName"] == "Babs")
        #expect(result["name"]?["familyName"] == "J")
        #expect(result["name"]?["givenName"] == nil)
        #expect(result["name"]?.object?.members.count == 1)
    }

    @Test("values of a list by filter")
    func lists() throws {
        let changed = try patched([
            ["op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@x.example"]
        ])
        #expect(changed["emails"]?.array?.first?["value"] == "new@x.example")
        let removed = try patched([["op": "remove", "path": "emails[type eq \"home\"]"]])
        #expect(removed["emails"]?.array?.count == 1)
        let made = try patched([["op": "add", "path": "phoneNumbers[type eq \"work\"].value", "value": "555"]])
        #expect(made["phoneNumbers"] == [["type": "work", "value": "555"]])
        let primary = try patched([
            ["op": "add", "path": "emails", "value": [["value": "third@x.example", "primary": true]]]
        ])
        #expect(primary["emails"]?.array?.map { $0["primary"]?.bool } == [false, nil, true])
        #expect(throws: SCIMError.self) {
            try patched([["op": "replace", "path": "emails[type eq \"other\"].value", "value": "x"]])
        }
    }

    @Test("without a path, with dotted names and extensions, as large directories send it")
    func whole() throws {
        let id = SCIMSchema.enterpriseUser.id
        var value = JSONObject()
        value["title"] = "Dr"
        value["name.givenName"] = "B"
        value["id"] = "ignored"
        value[id] = ["department": "D"]
        let result = try patched([
            ["op": "add", "value": .object(value)],
            ["op": "replace", "path": .string("\(id):costCenter"), "value": "4130"],
        ])
        #expect(result["title"] == "Dr")
        #expect(result["name"]?["givenName"] == "B")
        #expect(result["id"] == nil)
        #expect(result[id] == ["department": "D", "costCenter": "4130"])
    }

    @Test("members are added once and removed by filter or by value")
    func members() throws {
        let group = JSONObject([
            .init(name: "displayName", value: "G"),
            .init(name: "members", value: [["value": "1", "type": "User"], ["value": "2", "type": "User"]]),
        ])
        let added = try patched(
            [["op": "add", "path": "members", "value": [["value": "2"], ["value": "3"]]]], .group, group)
        #expect(added["members"]?.array?.compactMap { $0["value"]?.string } == ["1", "2", "3"])
        let filtered = try patched([["op": "remove", "path": "members[value eq \"1\"]"]], .group, group)
        #expect(filtered["members"]?.array?.count == 1)
        let listed = try patched(
            [["op": "Remove", "path": "members", "value": [["value": "2"]]]], .group, group)
        #expect(listed["members"]?.array?.compactMap { $0["value"]?.string } == ["1"])
        let emptied = try patched([["op": "remove", "path": "members"]], .group, group)
        #expect(emptied["members"] == nil)
    }

    @Test("what must not be")
    func refused() {
        let bad: [(JSONValue, SCIMError.Kind)] = [
            ([["op": "replace", "path": "id", "value": "x"]], .mutability),
            ([["op": "add", "path": "groups", "value": []]], .mutability),
            ([["op": "remove"]], .noTarget), ([["op": "put", "path": "title", "value": 1]], .invalidSyntax),
            ([["op": "add", "path": "unheardOf", "value": 1]], .invalidPath),
            ([["op": "add", "path": "title[", "value": 1]], .invalidPath), ([], .invalidSyntax),
            ([["op": "add", "path": "title"]], .invalidSyntax),
        ]
        for (operations, kind) in bad {
            #expect { try patched(operations) } throws: { ($0 as? SCIMError)?.kind == kind }
        }
    }

    @Test("what is sent is checked against the schema")
    func cleaned() throws {
        let sent = JSONObject([
            .init(name: "USERNAME", value: "x"), .init(name: "unknown", value: 1),
            .init(name: "active", value: "False"),
            .init(name: "emails", value: ["value": "a@b.example"]), .init(name: "groups", value: [["value": "1"]]),
        ])
        let kept = try SCIMSchema.user.cleaned(sent)
        #expect(JSONValue.object(kept) == ["userName": "x", "active": false, "emails": [["value": "a@b.example"]]])
        for (name, value) in [("title", 5), ("active", "perhaps"), ("name", "x"), ("emails", 5)]
            as [(String, JSONValue)]
        {
            #expect(throws: SCIMError.self) {
                try SCIMSchema.user.cleaned(JSONObject([.init(name: name, value: value)]))
            }
        }
    }

    @Test("only what is asked for is told")
    func selection() throws {
        var resource = person
        resource["id"] = "1"
        let some = try AttributeSelection(attributes: "userName,emails.value", excluded: nil).applied(to: resource)
        #expect(some.members.map(\.name) == ["userName", "emails", "id"])
        #expect(some["emails"]?.array?.first == ["value": "b@work.example"])
        let most = try AttributeSelection(attributes: nil, excluded: "emails,name.givenName").applied(to: resource)
        #expect(most["emails"] == nil)
        #expect(most["name"] == ["familyName": "Jensen"])
        #expect(throws: SCIMError.self) { try AttributeSelection(attributes: "a", excluded: "b") }
    }
}
