import Wire

/// Whose policy it is, which decides what its statements may say.
package enum PolicyKind: Hashable, Sendable {
    /// Attached to a principal or a group: grants what it allows. Its statements name no principal.
    case identity
    /// Attached to a resource (a bucket policy): grants what it allows. Every statement names its principals.
    case resource
    /// A role's trust policy: who may assume the role. Every statement names its principals, and no resource.
    case trust
    /// Attached to a principal or a session as a limit: grants nothing, but what it does not allow is not allowed.
    case boundary
}

/// A policy in AWS IAM's policy grammar, parsed and ready for evaluation.
package struct PolicyDocument: Sendable {
    /// The longest document, in bytes.
    package static let maximumSize = 20 * 1024
    package static let maximumStatements = 200
    /// How many variables a document may hold in all; it bounds the time that an evaluation takes.
    package static let maximumVariables = 64

    package let kind: PolicyKind
    package let id: String?
    let statements: [Statement]
    /// Whether a condition asks for a tag of the object that is spoken of, which has to be looked up then.
    package let asksObjectTags: Bool
    /// Whether a condition asks for a property of the product that is spoken of, which has to be looked up then.
    package let asksProduct: Bool

    /// Parses a document.
    ///
    /// - Throws: `PolicyError`, with a message that names the statement (by number from 1 and Sid) and the element.
    package init(parsing bytes: [UInt8], kind: PolicyKind = .identity) throws(PolicyError) {
        guard bytes.count <= Self.maximumSize else {
            throw PolicyError(
                .tooLarge, "a policy may have up to \(Self.maximumSize) bytes, this one has \(bytes.count)")
        }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: bytes, maximumDepth: 16)
        } catch {
            throw PolicyError(.notJSON, "the policy is \(error)")
        }
        guard let object = json.object else { throw PolicyError(.invalidElement, "a policy must be a JSON object") }
        var version: String?
        var id: String?
        var list: [JSONValue] = []
        var seen: Set<String> = []
        for member in object.members {
            guard seen.insert(member.name).inserted else {
                throw PolicyError(.invalidElement, "the policy's element \(member.name.prefix(64)) comes twice")
            }
            switch member.name {
            case "Version": version = member.value.string ?? ""
            case "Id": id = member.value.string
            case "Statement": list = member.value.array ?? [member.value]
            default: throw PolicyError(.invalidElement, "a policy has no element \"\(member.name.prefix(64))\"")
            }
        }
        guard version == nil || version == "2012-10-17" || version == "2008-10-17" else {
            throw PolicyError(.invalidElement, "Version must be 2012-10-17")
        }
        guard !list.isEmpty else { throw PolicyError(.invalidElement, "the policy needs a Statement") }
        guard list.count <= Self.maximumStatements else {
            throw PolicyError(.tooLarge, "a policy may have up to \(Self.maximumStatements) statements")
        }
        var statements: [Statement] = []
        var variables = 0
        for (index, value) in list.enumerated() {
            let sid = value["Sid"]?.string
            let place = "statement \(index + 1)" + (sid.map { " (\"\($0.prefix(64))\")" } ?? "")
            let statement = try Statement(value, kind: kind, place: place)
            variables += statement.variableCount
            guard variables == 0 || version == "2012-10-17" else {
                throw PolicyError(.invalidElement, "\(place): variables need \"Version\": \"2012-10-17\"")
            }
            statements.append(statement)
        }
        guard variables <= Self.maximumVariables else {
            throw PolicyError(
                .tooLarge, "a policy may hold up to \(Self.maximumVariables) variables, this one has \(variables)")
        }
        self.kind = kind
        self.id = id
        self.statements = statements
        asksObjectTags = statements.contains { statement in
            statement.conditions.contains { $0.key.hasPrefix(PolicyKeys.objectTag.lowercased()) }
        }
        asksProduct = statements.contains { $0.conditions.contains(where: \.asksProduct) }
    }

    package init(parsing text: String, kind: PolicyKind = .identity) throws(PolicyError) {
        try self.init(parsing: Array(text.utf8), kind: kind)
    }
}
