import Wire

/// Rules as some institutes keep them in a repository (`policies.yaml`): who works on which collections of the
/// catalogue and below which addresses of the storage. The two are independent of each other.
package struct PolicyRules: Sendable {
    package struct Rule: Sendable, Hashable {
        /// `user:NAME` or `group:NAME`.
        package var subject: String
        package var collections: [String]
        /// `BUCKET` or `BUCKET/PREFIX`.
        package var storages: [String]
    }

    /// One for each who is named, in the order of the text.
    package var rules: [Rule]

    private static let rulesMax = 10_000

    /// - Throws: ``PolicyError`` naming the rule and what it should be.
    package init(yaml bytes: [UInt8]) throws(PolicyError) {
        let document: JSONValue
        do throws(YAMLError) {
            document = try YAML.parse(bytes)
        } catch {
            throw PolicyError(.notJSON, "\(error)")
        }
        guard let object = document.object, object.members.allSatisfy({ $0.name == "rules" }),
            let list = object["rules"]?.array, list.count <= Self.rulesMax
        else { throw PolicyError(.invalidElement, "the text has one member, 'rules', with at most 10000 of them") }
        var order: [String] = []
        var bySubject: [String: Rule] = [:]
        for (index, value) in list.enumerated() {
            let rule = try Self.rule(value, "rule \(index + 1)")
            if var known = bySubject[rule.subject] {
                known.collections += rule.collections.filter { !known.collections.contains($0) }
                known.storages += rule.storages.filter { !known.storages.contains($0) }
                bySubject[rule.subject] = known
            } else {
                order.append(rule.subject)
                bySubject[rule.subject] = rule
            }
        }
        rules = order.compactMap { bySubject[$0] }
    }

    private static func rule(_ value: JSONValue, _ place: String) throws(PolicyError) -> Rule {
        guard let object = value.object else { throw PolicyError(.invalidElement, "\(place) is no mapping") }
        var rule = Rule(subject: "", collections: [], storages: [])
        for member in object.members {
            switch member.name {
            case "user", "group":
                guard let name = member.value.string, !name.isEmpty, rule.subject.isEmpty else {
                    throw PolicyError(.invalidElement, "\(place): one 'user' or 'group', a name")
                }
                rule.subject = member.name + ":" + name
            case "collections": rule.collections = try texts(member.value, "\(place): collections")
            case "storages":
                for address in try texts(member.value, "\(place): storages") {
                    rule.storages.append(try storage(address, place))
                }
            default:
                throw PolicyError(
                    .invalidElement,
                    "\(place) has user or group, collections and storages, and no '\(member.name.prefix(40))'")
            }
        }
        guard !rule.subject.isEmpty else { throw PolicyError(.invalidElement, "\(place) says for whom: user or group") }
        for text in rule.collections + rule.storages
        where text.contains("*") || text.contains("?") || text.contains("${") {
            throw PolicyError(.invalidElement, "\(place): '\(text.prefix(80))' is a name, without wildcards")
        }
        return rule
    }

    private static func texts(_ value: JSONValue, _ place: String) throws(PolicyError) -> [String] {
        if value.isNull { return [] }
        guard let list = value.array else { throw PolicyError(.invalidElement, "\(place) is a list") }
        var out: [String] = []
        for item in list {
            guard let text = item.string, !text.isEmpty else {
                throw PolicyError(.invalidElement, "\(place) is a list of names")
            }
            out.append(text)
        }
        return out
    }

    /// The bucket, and the prefix behind it, of `https://HOST/BUCKET/PREFIX`.
    private static func storage(_ address: String, _ place: String) throws(PolicyError) -> String {
        for scheme in ["https://", "http://", "s3://"] where address.hasPrefix(scheme) {
            var path = address.dropFirst(scheme.count)
            if scheme != "s3://" {
                guard let slash = path.firstIndex(of: "/") else { break }
                path = path[path.index(after: slash)...]
            }
            while path.last == "/" { path.removeLast() }
            guard !path.isEmpty, !path.hasPrefix("/") else { break }
            return String(path)
        }
        throw PolicyError(
            .invalidElement,
            "\(place): '\(address.prefix(120))' is no address such as https://s3.example.org/BUCKET/PREFIX")
    }
}

extension PolicyRules.Rule {
    private static let objects = [
        "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject",
    ]

    /// The policy that says the same, as JSON with its members in a fixed order, so that texts can be compared.
    ///
    /// - Parameter isReadOnly: gives no right to change anything.
    package func document(isReadOnly: Bool) -> String {
        var json = JSONWriter()
        json.object { json in
            json.member("Version", "2012-10-17")
            json.key("Statement")
            json.array { json in
                if !storages.isEmpty {
                    json.object {
                        $0.member("Sid", "Objects")
                        $0.member("Effect", "Allow")
                        $0.member("Action", isReadOnly ? ["s3:GetObject"] : Self.objects)
                        $0.member("Resource", storages.map { "arn:aws:s3:::\($0)/*" })
                    }
                }
                for storage in storages {
                    let slash = storage.firstIndex(of: "/")
                    let bucket = storage[..<(slash ?? storage.endIndex)]
                    json.object { json in
                        json.member("Effect", "Allow")
                        json.member("Action", ["s3:ListBucket"])
                        json.member("Resource", "arn:aws:s3:::\(bucket)")
                        if let slash {
                            let prefix = storage[storage.index(after: slash)...]
                            json.key("Condition")
                            json.object { json in
                                json.key("StringLike")
                                json.object { $0.member("s3:prefix", ["\(prefix)", "\(prefix)/*"]) }
                            }
                        }
                    }
                }
                if !collections.isEmpty {
                    json.object {
                        $0.member("Sid", "Collections")
                        $0.member("Effect", "Allow")
                        $0.member("Action", isReadOnly ? ["stac:Get*", "stac:Search"] : ["stac:*"])
                        $0.member(
                            "Resource",
                            collections.flatMap {
                                ["arn:martlet:stac:::\($0)", "arn:martlet:stac:::\($0)/*"]
                            })
                    }
                }
            }
        }
        return json.text
    }
}
