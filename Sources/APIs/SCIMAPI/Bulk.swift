import HTTPSupport
import NIOHTTP1
import SCIMFormat
import Wire

extension SCIMService {
    /// Several operations in one request (RFC 7644 §3.7), one after the other, each a transaction of its own. What an
    /// operation makes, others can name by its `bulkId`, also before it comes.
    func bulk(_ call: Call) async throws -> Response {
        guard call.method == .POST else { throw Problem.methodNotAllowed("POST") }
        let body = try call.object
        guard let operations = body.member("Operations")?.array else {
            throw SCIMError(.invalidSyntax, "the body needs 'Operations', a list")
        }
        guard operations.count <= Self.bulkOperationsMax else {
            throw Failure(.payloadTooLarge, "at most \(Self.bulkOperationsMax) operations are taken at once")
        }
        let failuresMax = body.member("failOnErrors")?.integer ?? .max
        var results = [JSONValue?](repeating: nil, count: operations.count)
        var made: [String: String] = [:]
        var waiting = Array(operations.indices)
        var failures: Int64 = 0
        while !waiting.isEmpty, failures < failuresMax {
            var later: [Int] = []
            for index in waiting {
                guard failures < failuresMax else { break }
                let operation = operations[index]
                guard let resolved = Self.resolved(operation, made) else {
                    later.append(index)
                    continue
                }
                let (result, id) = await self.result(of: resolved, call)
                results[index] = result
                if let name = operation["bulkId"]?.string, let id { made[name] = id }
                if let status = result["status"]?.string, !status.hasPrefix("2") { failures += 1 }
            }
            guard later.count < waiting.count else {
                for index in later {
                    results[index] = Self.entry(
                        operations[index], Failure(.conflict, "it names a bulkId that no operation has made"))
                }
                break
            }
            waiting = later
        }
        let answer: JSONValue = [
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
            "Operations": .array(results.compactMap { $0 }),
        ]
        return Self.response(.ok, answer.bytes)
    }

    private func result(of operation: JSONValue, _ call: Call) async -> (JSONValue, id: String?) {
        do {
            guard let method = operation["method"]?.string?.uppercased(), let path = operation["path"]?.string,
                ["POST", "PUT", "PATCH", "DELETE"].contains(method)
            else { throw SCIMError(.invalidSyntax, "an operation needs a method and a path") }
            let parts = path.split(separator: "/").map(String.init)
            guard let kind = parts.first, ["Users", "Groups"].contains(kind) else {
                throw SCIMError(.invalidPath, "the path of an operation begins with /Users or /Groups")
            }
            guard method != "POST" || operation["bulkId"]?.string?.isEmpty == false else {
                throw SCIMError(.invalidSyntax, "an operation that makes something needs a bulkId")
            }
            var inner = call
            inner.method = HTTPMethod(rawValue: method)
            inner.path = parts
            inner.query = QueryItems([])
            inner.body = operation["data"]
            inner.version = operation["version"]?.string
            let response = try await answer(inner)
            let location = response.headers.first(name: "Location") ?? "\(call.base)\(path)"
            var out = Self.named(operation)
            out["location"] = .string(location)
            if let tag = response.headers.first(name: "ETag") { out["version"] = .string(tag) }
            out["status"] = .string(String(response.status.code))
            return (.object(out), location.split(separator: "/").last.map(String.init))
        } catch {
            return (Self.entry(operation, failure(error)), nil)
        }
    }

    private static func named(_ operation: JSONValue) -> JSONObject {
        var out = JSONObject()
        for name in ["method", "bulkId"] { out[name] = operation[name] }
        return out
    }

    private static func entry(_ operation: JSONValue, _ failure: Failure) -> JSONValue {
        var out = named(operation)
        out["location"] = operation["path"]
        out["status"] = .string(String(failure.status.code))
        out["response"] = try? JSONValue(parsing: failure.bytes)
        return .object(out)
    }

    /// The operation with ids in place of `bulkId:NAME`; nil where one of them is not known yet.
    private static func resolved(_ value: JSONValue, _ made: [String: String]) -> JSONValue? {
        switch value {
        case .string(let text):
            guard let range = text.utf8Range(of: "bulkId:") else { return value }
            let name = String(text[range.upperBound...])
            return made[name].map { .string(String(text[..<range.lowerBound]) + $0) }
        case .array(let values):
            var out: [JSONValue] = []
            for value in values {
                guard let one = resolved(value, made) else { return nil }
                out.append(one)
            }
            return .array(out)
        case .object(let object):
            var out = object
            for member in object.members where member.name != "bulkId" {
                guard let one = resolved(member.value, made) else { return nil }
                out[member.name] = one
            }
            return .object(out)
        default: return value
        }
    }
}

extension String {
    /// Where a text stands that is at the beginning or follows a slash.
    fileprivate func utf8Range(of text: String) -> Range<Index>? {
        if hasPrefix(text) { return startIndex..<index(startIndex, offsetBy: text.count) }
        guard let slash = lastIndex(of: "/"), self[index(after: slash)...].hasPrefix(text) else { return nil }
        let start = index(after: slash)
        return start..<index(start, offsetBy: text.count)
    }
}
