import Identity
import NIOHTTP1
import SCIMFormat
import Wire

/// Accounts and groups as resources, and back.
enum Resources {
    static func version(_ changed: Timestamp) -> String { "W/\"\(String(changed.microseconds, radix: 36))\"" }

    /// The moment that an `If-Match` names; nil for `*`.
    ///
    /// - Throws: ``Failure`` 412 for a tag that is none of ours.
    static func moment(_ tag: String) throws -> Timestamp? {
        guard tag != "*" else { return nil }
        let inner = tag.drop { $0 != "\"" }.dropFirst().prefix { $0 != "\"" }
        guard let microseconds = Int64(inner, radix: 36) else {
            throw Failure(.preconditionFailed, "the resource does not have the version \(tag.prefix(64))")
        }
        return Timestamp(microseconds: microseconds)
    }

    // MARK: Users

    static func resource(_ found: ProvisionedAccount, base: String) -> JSONObject {
        let account = found.account
        let stored = (try? JSONValue(parsing: found.attributes))?.object ?? JSONObject()
        var out = JSONObject()
        let hasExtension = stored[SCIMSchema.enterpriseUser.id] != nil
        out["schemas"] = .array(
            [.string(SCIMSchema.user.id)] + (hasExtension ? [.string(SCIMSchema.enterpriseUser.id)] : []))
        out["id"] = .string(account.uuid)
        if !found.externalID.isEmpty { out["externalId"] = .string(found.externalID) }
        out["userName"] = .string(account.name)
        for member in stored.members where member.name != "emails" { out[member.name] = member.value }
        if !account.displayName.isEmpty { out["displayName"] = .string(account.displayName) }
        out["active"] = .bool(!account.isDisabled)
        let emails = emails(stored["emails"]?.array ?? [], account.email)
        if !emails.isEmpty { out["emails"] = .array(emails) }
        if !found.groups.isEmpty {
            out["groups"] = .array(
                found.groups.map { group in
                    [
                        "value": .string(group.uuid), "$ref": .string("\(base)/Groups/\(group.uuid)"),
                        "display": .string(group.name), "type": "direct",
                    ]
                })
        }
        out["meta"] = meta(
            "User", "\(base)/Users/\(account.uuid)", created: account.created, changed: account.changed)
        return out
    }

    /// What the other system gave, with the account's own address, which may have been changed here.
    private static func emails(_ stored: [JSONValue], _ own: String) -> [JSONValue] {
        guard !own.isEmpty, !stored.contains(where: { $0["value"]?.string == own }) else { return stored }
        return [["value": .string(own), "primary": true]]
            + stored.filter { $0["primary"]?.bool != true }
    }

    private static func meta(_ type: String, _ location: String, created: Timestamp, changed: Timestamp) -> JSONValue {
        [
            "resourceType": .string(type), "created": .string(created.rfc3339),
            "lastModified": .string(changed.rfc3339),
            "location": .string(location), "version": .string(version(changed)),
        ]
    }

    /// What an account is to be, by a resource that a client sent whole.
    ///
    /// - Throws: `SCIMError` `.invalidValue`.
    static func accountChange(_ sent: JSONObject) throws -> AccountChange {
        let user = try SCIMSchema.user.cleaned(sent)
        guard let name = user["userName"]?.string, !name.isEmpty else {
            throw SCIMError(.invalidValue, "'userName' is required")
        }
        var stored = user
        for own in ["userName", "displayName", "active", "password"] { stored[own] = nil }
        if let sentExtension = sent.member(SCIMSchema.enterpriseUser.id)?.object {
            let kept = try SCIMSchema.enterpriseUser.cleaned(sentExtension)
            if !kept.members.isEmpty { stored[SCIMSchema.enterpriseUser.id] = .object(kept) }
        }
        let emails = user["emails"]?.array ?? []
        let email = emails.first { $0["primary"]?.bool == true } ?? emails.first
        let attributes = JSONValue.object(stored).text
        guard attributes.utf8.count <= 64 << 10 else {
            throw SCIMError(.invalidValue, "the attributes of one account take 64 KiB at most")
        }
        return AccountChange(
            name: name,
            displayName: user["displayName"]?.string ?? user["name"]?["formatted"]?.string ?? fullName(user["name"]),
            email: email?["value"]?.string ?? "", isActive: user["active"]?.bool, password: user["password"]?.string,
            externalID: try externalID(of: sent), attributes: attributes)
    }

    private static func fullName(_ name: JSONValue?) -> String {
        [name?["givenName"]?.string, name?["familyName"]?.string].compactMap { $0 }.joined(separator: " ")
    }

    private static func externalID(of sent: JSONObject) throws -> String {
        guard let value = sent.member("externalId"), !value.isNull else { return "" }
        guard let id = value.string, id.utf8.count <= 256, !id.utf8.contains(0) else {
            throw SCIMError(.invalidValue, "'externalId' has to be a string of at most 256 bytes")
        }
        return id
    }

    // MARK: Groups

    static func resource(_ found: ProvisionedGroup, base: String) -> JSONObject {
        var out = JSONObject()
        out["schemas"] = [.string(SCIMSchema.group.id)]
        out["id"] = .string(found.group.uuid)
        if !found.externalID.isEmpty { out["externalId"] = .string(found.externalID) }
        out["displayName"] = .string(found.displayName)
        if !found.members.isEmpty {
            out["members"] = .array(
                found.members.map { member in
                    let kind = member.isGroup ? "Group" : "User"
                    return [
                        "value": .string(member.uuid), "$ref": .string("\(base)/\(kind)s/\(member.uuid)"),
                        "type": .string(kind),
                    ]
                })
        }
        out["meta"] = meta(
            "Group", "\(base)/Groups/\(found.group.uuid)", created: found.group.created, changed: found.group.changed)
        return out
    }

    /// - Throws: `SCIMError` `.invalidValue`.
    static func groupChange(_ sent: JSONObject) throws -> GroupChange {
        let group = try SCIMSchema.group.cleaned(sent)
        guard let name = group["displayName"]?.string, !name.isEmpty else {
            throw SCIMError(.invalidValue, "'displayName' is required")
        }
        var members: [String] = []
        for member in group["members"]?.array ?? [] {
            guard let value = member["value"]?.string else {
                throw SCIMError(.invalidValue, "each of 'members' needs a value: the id of an account or a group")
            }
            members.append(value.lowercased())
        }
        return GroupChange(displayName: name, externalID: try externalID(of: sent), members: members)
    }
}
