import HTTPSupport
import NIOHTTP1
import SCIMFormat
import Wire

/// Many acts in one request (RFC 7644 §3.7), one after the other. Each is whole by itself.
extension SCIMService {
    static let bulkMax = 100

    func bulk(_ act: Act) async throws -> Result {
        guard act.method == .POST else { throw SCIMError(405, nil, "/scim/v2/Bulk takes POST") }
        let body = try act.required()
        guard let operations = body.object?.ignoringCase("operations")?.array, operations.count <= Self.bulkMax else {
            throw SCIMError(413, .tooMany, "'Operations' is a list of at most \(Self.bulkMax) acts")
        }
        let errorsMax = body.object?.ignoringCase("failonerrors")?.integer ?? .max
        var (answers, errors, made) = ([JSONValue](), Int64(0), [String: String]())
        for operation in operations {
            guard errors < max(1, errorsMax) else { break }
            let answer = await perform(operation, act, &made)
            if (Int(answer["status"]?.string ?? "") ?? 500) >= 400 { errors += 1 }
            answers.append(.object(answer))
        }
        return Result(
            body: ["schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": .array(answers)])
    }

    private func perform(_ operation: JSONValue, _ act: Act, _ made: inout [String: String]) async -> JSONObject {
        var answer = JSONObject()
        let method = operation["method"]?.string?.uppercased() ?? ""
        answer["method"] = .string(String(method.prefix(10)))
        let bulkID = operation["bulkId"]?.string
        answer["bulkId"] = bulkID.map { .string($0) }
        do {
            guard ["POST", "PUT", "PATCH", "DELETE"].contains(method), let path = operation["path"]?.string else {
                throw SCIMError(400, .invalidSyntax, "an act has a 'method' (POST, PUT, PATCH, DELETE) and a 'path'")
            }
            var part = act
            part.method = HTTPMethod(rawValue: method)
            part.query = QueryItems()
            part.path = try Self.resolved(path, made).split(separator: "/").map(String.init)
            part.ifMatch = operation["version"]?.string
            part.ifNoneMatch = nil
            part.body = try operation["data"].map { data throws(SCIMError) in try Self.resolved(data, made) }
            guard ["Users", "Groups"].contains(part.path.first ?? ""), part.path.last != ".search" else {
                throw SCIMError(400, .invalidPath, "an act's path begins with /Users or /Groups")
            }
            let result = try await perform(part)
            answer["status"] = .string(String(result.status.code))
            answer["location"] = (result.location ?? (method == "DELETE" ? "\(base)\(path)" : nil)).map { .string($0) }
            answer["version"] = result.version.map { .string($0) }
            if let bulkID, let id = result.body?["id"]?.string { made[bulkID] = id }
        } catch {
            let error = Self.scimError(error)
            answer["status"] = .string(String(error.status))
            answer["response"] = Self.document(error)
        }
        return answer
    }

    /// A text with the id of what an act before has made in place of `bulkId:NAME`.
    private static func resolved(_ text: String, _ made: [String: String]) throws(SCIMError) -> String {
        guard text.contains("bulkId:") else { return text }
        var parts: [String] = []
        for part in text.split(separator: "/", omittingEmptySubsequences: false) {
            guard part.hasPrefix("bulkId:") else {
                parts.append(String(part))
                continue
            }
            guard let id = made[String(part.dropFirst(7))] else {
                throw SCIMError(409, .invalidValue, "'\(part.prefix(80))' names nothing that was made before")
            }
            parts.append(id)
        }
        return parts.joined(separator: "/")
    }

    private static func resolved(
        _ value: JSONValue, _ made: [String: String]
    ) throws(SCIMError) -> JSONValue {
        switch value {
        case .string(let text) where text.hasPrefix("bulkId:"): return .string(try resolved(text, made))
        case .array(let items):
            return .array(try items.map { item throws(SCIMError) in try resolved(item, made) })
        case .object(let object):
            return .object(
                JSONObject(
                    try object.members.map { member throws(SCIMError) in
                        JSONObject.Member(
                            name: member.name, value: try resolved(member.value, made))
                    }))
        default: return value
        }
    }
}
