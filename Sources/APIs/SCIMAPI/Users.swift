import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import SCIMFormat
import Wire

extension SCIMService {
    static let userSchema = "urn:ietf:params:scim:schemas:core:2.0:User"

    /// `/Users`, `/Users/.search` and `/Users/{id}`.
    func users(_ act: Act) async throws -> Result {
        switch (act.path.count, act.method) {
        case (1, .GET): return try await listUsers(act)
        case (2, .POST) where act.path[1] == ".search": return try await listUsers(try Self.searching(act))
        case (1, .POST): return try await createUser(act)
        case (2, .GET):
            let found = try await user(act.path[1])
            try await require(act, "iam:GetUser", on: ResourceName.account(found.account.name))
            return try shown(resource(found), act)
        case (2, .PUT), (2, .PATCH): return try await changeUser(try await user(act.path[1]), act)
        case (2, .DELETE):
            let found = try await user(act.path[1])
            let name = found.account.name
            try await require(act, "iam:DeleteUser", on: ResourceName.account(name))
            try Self.checkMatch(act, Self.version(of: resource(found)))
            guard name != act.actor else {
                throw SCIMError(409, nil, "nobody deletes the account that they are logged in with")
            }
            try await policies.forget(.account(name), by: act.actor)
            try await identity.deleteAccount(name, by: act.actor)
            return Result(status: .noContent)
        default: throw SCIMError(405, nil, "\(act.method) is not for /scim/v2/\(act.path.joined(separator: "/"))")
        }
    }

    /// `/Me`: one's own account.
    func me(_ act: Act) async throws -> Result {
        guard let id = act.caller.principal.accountID else {
            throw SCIMError(401, nil, "a token is needed to ask who you are")
        }
        guard act.method == .GET else { throw SCIMError(501, nil, "people change their own accounts at /account") }
        let found = try await identity.provisionedAccounts(.everything, after: id - 1, limit: 1)
        guard let own = found.first, own.account.id == id else { throw SCIMError(404, nil, "you are gone") }
        return try shown(resource(own), act)
    }

    private func listUsers(_ act: Act) async throws -> Result {
        try await require(act, "iam:ListUsers", on: ResourceName.account("*"))
        var condition = DirectoryCondition.everything
        if let text = act.query["filter"] {
            let filter = try SCIMFilter(text)
            if let name = filter.required("username") {
                condition = .name(name.lowercased())
            } else if let email = filter.required("emails") {
                condition = .email(email.lowercased())
            } else if let id = filter.required("id") {
                condition = .uuid(id.lowercased())
            }
        }
        return try await list(act, total: { try await identity.count(ofGroups: false) }) { after, limit in
            try await identity.provisionedAccounts(condition, after: after, limit: limit).map {
                Found(id: $0.account.id, resource: resource($0))
            }
        }
    }

    /// A search whose parameters come in a body (RFC 7644 §3.4.3).
    static func searching(_ act: Act) throws -> Act {
        var act = act
        let body = try act.required()
        for (name, member) in [
            ("filter", "filter"), ("sortBy", "sortby"), ("sortOrder", "sortorder"), ("startIndex", "startindex"),
            ("count", "count"), ("cursor", "cursor"), ("attributes", "attributes"),
            ("excludedAttributes", "excludedattributes"),
        ] {
            guard let value = body.object?.ignoringCase(member) else { continue }
            let text =
                value.string ?? value.integer.map { String($0) }
                ?? value.array?.compactMap(\.string).joined(separator: ",")
            act.query.items.append((name, text))
        }
        return act
    }

    private func user(_ id: String) async throws -> ProvisionedAccount {
        let found = try await identity.provisionedAccounts(.uuid(id.lowercased()), after: 0, limit: 1)
        guard let user = found.first else { throw SCIMError(404, nil, "there is no user '\(id.prefix(64))'") }
        return user
    }

    func shown(_ resource: JSONValue, _ act: Act, _ status: HTTPResponseStatus = .ok) throws -> Result {
        let version = resource["meta"]?["version"]?.string ?? ""
        let location = resource["meta"]?["location"]?.string
        if act.method == .GET, act.ifNoneMatch == version { return Result(status: .notModified, version: version) }
        return Result(
            status: status, body: try Self.projected(resource, act), location: location, version: version)
    }

    // MARK: Changes

    /// What a resource wants an account to be.
    private struct Wanted {
        var name: String
        var displayName: String
        var given: String
        var family: String
        var email: String
        var isActive: Bool
        var externalID: String
        var password: String?

        init(_ resource: JSONValue) throws(SCIMError) {
            guard let object = resource.object, let name = object.ignoringCase("username")?.string, !name.isEmpty
            else { throw SCIMError(400, .invalidValue, "'userName' is missing") }
            func text(_ name: String) throws(SCIMError) -> String {
                guard let value = object.ignoringCase(name), !value.isNull else { return "" }
                guard let text = value.string else { throw SCIMError(400, .invalidValue, "'\(name)' is a text") }
                return text
            }
            self.name = name
            let parts = object.ignoringCase("name")?.object
            given = parts?.ignoringCase("givenname")?.string ?? ""
            family = parts?.ignoringCase("familyname")?.string ?? ""
            let joined = [given, family].filter { !$0.isEmpty }.joined(separator: " ")
            let formatted = parts?.ignoringCase("formatted")?.string ?? ""
            let display = try text("displayname")
            displayName = !display.isEmpty ? display : !formatted.isEmpty ? formatted : joined
            let emails = object.ignoringCase("emails")?.array ?? []
            let chosen = emails.first { $0.object?.ignoringCase("primary")?.bool == true } ?? emails.first
            email = chosen?.object?.ignoringCase("value")?.string ?? chosen?.string ?? ""
            // Some clients write a boolean as a text.
            switch object.ignoringCase("active") {
            case nil, .null: isActive = true
            case .bool(let active): isActive = active
            case .string(let text) where ["true", "false"].contains(text.lowercased()):
                isActive = text.lowercased() == "true"
            default: throw SCIMError(400, .invalidValue, "'active' is true or false")
            }
            externalID = try text("externalid")
            password = object.ignoringCase("password")?.string
        }

        var attributes: [(name: String, value: String?)] {
            [("externalId", externalID), ("givenName", given), ("familyName", family)].map {
                ($0.0, $0.1.isEmpty ? nil : $0.1)
            }
        }
    }

    private func createUser(_ act: Act) async throws -> Result {
        let wanted = try Wanted(try act.required())
        try await require(act, "iam:CreateUser", on: ResourceName.account(wanted.name))
        try await identity.createAccount(
            name: wanted.name, kind: .person, displayName: wanted.displayName, email: wanted.email,
            password: wanted.password, by: act.actor)
        try await identity.setAttributes(wanted.attributes, of: .account(wanted.name), by: act.actor)
        if !wanted.isActive { try await identity.setDisabled(true, of: wanted.name, by: act.actor) }
        return try shown(resource(try await user(try await identity.account(wanted.name).uuid)), act, .created)
    }

    private func changeUser(_ found: ProvisionedAccount, _ act: Act) async throws -> Result {
        let (account, name, before) = (found.account, found.account.name, resource(found))
        try await require(act, "iam:UpdateUser", on: ResourceName.account(name))
        try Self.checkMatch(act, Self.version(of: before))
        var after = try act.required()
        if act.method == .PATCH {
            let patch = try SCIMPatch(after)
            var object = before.object ?? JSONObject()
            try patch.apply(to: &object)
            // The name for people is shown twice: whichever was changed counts.
            if patch.touches("name"), !patch.touches("displayname") { object["displayName"] = nil }
            after = .object(object)
        }
        let wanted = try Wanted(after)
        guard wanted.name.lowercased() == name.lowercased() else {
            throw SCIMError(400, .mutability, "a 'userName' stays: '\(name)'")
        }
        if wanted.displayName != account.displayName || wanted.email != account.email {
            try await identity.setDetails(
                displayName: wanted.displayName, email: wanted.email, of: name, by: act.actor)
        }
        let changed = wanted.attributes.filter { found.attributes[$0.name] != $0.value }
        if !changed.isEmpty { try await identity.setAttributes(changed, of: .account(name), by: act.actor) }
        if wanted.isActive == account.isDisabled {
            try await identity.setDisabled(!wanted.isActive, of: name, by: act.actor)
        }
        if let password = wanted.password { try await identity.setPassword(password, of: name, by: act.actor) }
        return try shown(resource(try await user(account.uuid)), act)
    }

    // MARK: The resource

    private func resource(_ found: ProvisionedAccount) -> JSONValue {
        let (account, attributes) = (found.account, found.attributes)
        var out = JSONObject()
        out["schemas"] = [.string(Self.userSchema)]
        out["id"] = .string(account.uuid)
        out["externalId"] = attributes["externalId"].map { .string($0) }
        out["userName"] = .string(account.name)
        var name = JSONObject()
        if !account.displayName.isEmpty {
            out["displayName"] = .string(account.displayName)
            name["formatted"] = .string(account.displayName)
        }
        name["givenName"] = attributes["givenName"].map { .string($0) }
        name["familyName"] = attributes["familyName"].map { .string($0) }
        if !name.members.isEmpty { out["name"] = .object(name) }
        out["userType"] = .string(account.kind.rawValue)
        out["active"] = .bool(!account.isDisabled)
        if !account.email.isEmpty {
            out["emails"] = [["value": .string(account.email), "type": "work", "primary": true]]
        }
        if !found.groups.isEmpty {
            out["groups"] = .array(
                found.groups.map { group in
                    [
                        "value": .string(group.uuid), "display": .string(group.name), "type": "direct",
                        "$ref": .string("\(base)/Groups/\(group.uuid)"),
                    ]
                })
        }
        return withMeta(out, "User", "Users", account.uuid, account.created, account.changed)
    }

    func withMeta(
        _ resource: JSONObject, _ type: String, _ path: String, _ id: String, _ created: Timestamp,
        _ changed: Timestamp
    ) -> JSONValue {
        var out = resource
        out["meta"] = [
            "resourceType": .string(type), "created": .string(created.rfc3339),
            "lastModified": .string(changed.rfc3339), "location": .string("\(base)/\(path)/\(id)"),
            "version": .string(Self.version(.object(resource))),
        ]
        return .object(out)
    }
}
