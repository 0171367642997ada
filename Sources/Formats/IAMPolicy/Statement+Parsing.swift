import Wire

extension Statement {
    private static let principalKinds: Set<String> = ["AWS", "Martlet", "Federated", "Service", "CanonicalUser"]

    init(_ value: JSONValue, kind: PolicyKind, place: String) throws(PolicyError) {
        guard let object = value.object else { throw PolicyError(.invalidElement, "\(place) must be a JSON object") }
        var sid: String?
        var effect: Effect?
        var actions: Scope?
        var resources: Scope?
        var principals: Principals?
        var conditions: [Condition] = []
        func set(_ scope: inout Scope?, _ name: String, _ value: Scope) throws(PolicyError) {
            guard scope == nil else {
                throw PolicyError(.invalidElement, "\(place): \(name) stands beside its opposite; only one of them may")
            }
            scope = value
        }
        var seen: Set<String> = []
        for member in object.members {
            let name = member.name
            let here = "\(place), element \(name.prefix(64))"
            guard seen.insert(name).inserted else { throw PolicyError(.invalidElement, "\(here) comes twice") }
            switch name {
            case "Sid":
                guard let text = member.value.string, text.utf8.count <= 256 else {
                    throw PolicyError(.invalidElement, "\(here) must be a string of up to 256 bytes")
                }
                sid = text
            case "Effect":
                switch member.value.string {
                case "Allow": effect = .allow
                case "Deny": effect = .deny
                default: throw PolicyError(.invalidElement, "\(here) must be Allow or Deny")
                }
            case "Action", "NotAction":
                try set(&actions, name, try Self.actions(member.value, isNegated: name == "NotAction", here))
            case "Resource", "NotResource":
                try set(&resources, name, try Self.resources(member.value, isNegated: name == "NotResource", here))
            case "Principal", "NotPrincipal":
                guard principals == nil else {
                    throw PolicyError(
                        .invalidElement, "\(place): \(name) stands beside its opposite; only one of them may")
                }
                principals = try Self.principals(member.value, isNegated: name == "NotPrincipal", here)
            case "Condition": conditions = try Self.conditions(member.value, here)
            default: throw PolicyError(.invalidElement, "\(place) has no element \"\(name.prefix(64))\"")
            }
        }
        guard let effect else { throw PolicyError(.invalidElement, "\(place) needs an Effect") }
        guard let actions else { throw PolicyError(.invalidElement, "\(place) needs an Action or NotAction") }
        if kind == .trust {
            try Self.checkTrust(actions: actions, resources: resources, place)
        } else if resources == nil {
            throw PolicyError(.invalidElement, "\(place) needs a Resource or NotResource")
        }
        switch kind {
        case .resource, .trust:
            guard let principals else {
                throw PolicyError(.invalidElement, "\(place) of a resource's policy needs a Principal or NotPrincipal")
            }
            // It would let everybody in but those whom somebody thought of.
            guard kind == .resource || !principals.isNegated else {
                throw PolicyError(.invalidElement, "\(place): a trust policy names its principals by Principal")
            }
        case .identity, .boundary:
            guard principals == nil else {
                throw PolicyError(.invalidElement, "\(place): only a resource's policy has a Principal")
            }
        }
        self.init(
            sid: sid, effect: effect, actions: actions, resources: resources, principals: principals,
            conditions: conditions)
    }

    /// How many variables the statement holds.
    var variableCount: Int {
        (resources?.patterns ?? []).reduce(0) { $0 + $1.variableCount } + conditions.reduce(0) { $0 + $1.variableCount }
    }

    private static func checkTrust(actions: Scope, resources: Scope?, _ place: String) throws(PolicyError) {
        guard resources == nil else {
            throw PolicyError(.invalidElement, "\(place): a trust policy has no Resource; it belongs to its role")
        }
        let isOfSTS = actions.patterns.allSatisfy { $0.literalStart.starts(with: "sts:".utf8) }
        guard isOfSTS, !actions.isNegated else {
            throw PolicyError(.invalidElement, "\(place): a trust policy has actions of sts: only")
        }
    }

    // MARK: Elements

    private static func strings(_ value: JSONValue, _ place: String) throws(PolicyError) -> [String] {
        var out: [String] = []
        for item in value.array ?? [value] {
            guard let text = item.string, !text.isEmpty else {
                throw PolicyError(.invalidElement, "\(place) must be a string or a list of strings, none of them empty")
            }
            out.append(text)
        }
        guard !out.isEmpty else { throw PolicyError(.invalidElement, "\(place) must not be an empty list") }
        return out
    }

    private static func patterns(
        _ texts: [String], _ syntax: Pattern.Syntax, ignoringCase: Bool = false, _ place: String
    ) throws(PolicyError) -> [Pattern] {
        var out: [Pattern] = []
        for text in texts {
            do throws(PatternFault) {
                out.append(try Pattern(text, syntax, ignoringCase: ignoringCase))
            } catch {
                throw PolicyError(.invalidElement, "\(place): \"\(text.prefix(64))\": \(error.message)")
            }
        }
        return out
    }

    private static func actions(_ value: JSONValue, isNegated: Bool, _ place: String) throws(PolicyError) -> Scope {
        let texts = try strings(value, place)
        for text in texts where text != "*" && !text.utf8.contains(UInt8(ascii: ":")) {
            throw PolicyError(.invalidElement, "\(place): \"\(text.prefix(64))\" must be * or like s3:GetObject")
        }
        return Scope(patterns: try patterns(texts, .wildcards, ignoringCase: true, place), isNegated: isNegated)
    }

    private static func resources(_ value: JSONValue, isNegated: Bool, _ place: String) throws(PolicyError) -> Scope {
        Scope(
            patterns: try patterns(try strings(value, place), [.wildcards, .variables], place), isNegated: isNegated)
    }

    /// `"*"`, or an object of lists: `{"AWS": "arn:…", "Martlet": ["…"]}`.
    private static func principals(_ value: JSONValue, isNegated: Bool, _ place: String) throws(PolicyError)
        -> Principals
    {
        var named: [String] = []
        var federated: [String] = []
        if let object = value.object {
            for member in object.members {
                guard principalKinds.contains(member.name) else {
                    let kinds = principalKinds.sorted().joined(separator: ", ")
                    throw PolicyError(
                        .invalidElement, "\(place): \"\(member.name.prefix(64))\" must be one of \(kinds)")
                }
                let texts = try strings(member.value, "\(place), \(member.name)")
                if member.name == "Federated" { federated += texts } else { named += texts }
            }
        } else if value.string == "*" {
            named = ["*"]
            federated = ["*"]
        }
        guard !named.isEmpty || !federated.isEmpty else {
            throw PolicyError(.invalidElement, "\(place) must be \"*\" or like {\"AWS\": \"arn:...\"}")
        }
        return Principals(
            named: try patterns(named, .wildcards, place), federated: try patterns(federated, .wildcards, place),
            isNegated: isNegated)
    }

    private static func conditions(_ value: JSONValue, _ place: String) throws(PolicyError) -> [Condition] {
        guard let operators = value.object else {
            throw PolicyError(.invalidElement, "\(place) must be an object of operators")
        }
        var out: [Condition] = []
        for member in operators.members {
            guard let keys = member.value.object else {
                throw PolicyError(
                    .invalidElement, "\(place): \(member.name.prefix(64)) must be an object of context keys")
            }
            for key in keys.members {
                out.append(try Condition(operator: member.name, key: key.name, value: key.value, place: place))
            }
        }
        return out
    }
}
