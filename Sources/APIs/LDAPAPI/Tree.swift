import Ciphers
import Identity
package import LDAPMessage

/// Where entries are: `ou=people`, `ou=groups` and `ou=services` below one base.
package struct DirectoryTree: Sendable {
    /// The base as it is shown, `dc=data,dc=example,dc=org`.
    package let base: String
    /// The same as it is compared.
    private let parts: [DistinguishedName.Part]

    static let schemaDN = "cn=Subschema"

    /// - Throws: ``LDAPError`` for a base that cannot be meant.
    package init(base: String) throws(LDAPError) {
        let name = try DistinguishedName(base)
        guard let first = name.parts.first, ["dc", "o", "ou"].contains(first.type),
            name.parts.allSatisfy({ !$0.value.isEmpty })
        else { throw LDAPError(.invalidDNSyntax, "a base is dc=example,dc=org, o=Example or ou=people,o=Example") }
        self.base = name.text
        parts = Self.folded(name).parts
    }

    /// The base for a host name; `dc=martlet` for an address or a name without a dot.
    package static func base(forHost host: String) -> String {
        let labels = host.lowercased().split(separator: ".")
        let isName =
            labels.count > 1 && labels.last?.first?.isLetter == true
            && labels.allSatisfy { $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") } }
        return isName ? labels.map { "dc=\($0)" }.joined(separator: ",") : "dc=martlet"
    }

    /// What a name leads to.
    enum Place: Equatable {
        case root, schema, base
        case branch(DirectoryBranch)
        /// An account or a group, if there is one; its name as it was given.
        case leaf(DirectoryBranch, String)
        /// Nothing; with the nearest that is there.
        case nowhere(above: String)
    }

    func place(_ text: String) throws(LDAPError) -> Place {
        if text.isEmpty { return .root }
        let given = try DistinguishedName(text)
        let name = Self.folded(given).parts
        if name == [DistinguishedName.Part(type: "cn", value: "subschema")] { return .schema }
        guard name.suffix(parts.count) == parts[...] else { return .nowhere(above: "") }
        let below = name.dropLast(parts.count)
        guard let last = below.last else { return .base }
        guard last.type == "ou", let branch = DirectoryBranch(rawValue: last.value) else {
            return .nowhere(above: base)
        }
        guard below.count == 2 else { return below.count == 1 ? .branch(branch) : .nowhere(above: dn(branch)) }
        guard name[0].type == (branch == .groups ? "cn" : "uid") else { return .nowhere(above: dn(branch)) }
        return .leaf(branch, given.parts[0].value)
    }

    /// The name as it is compared: names of attributes as they are known here, values without case.
    static func folded(_ name: DistinguishedName) -> DistinguishedName {
        DistinguishedName(
            name.parts.map {
                DistinguishedName.Part(
                    type: Attribute(named: $0.type)?.rawValue ?? $0.type, value: Identity.folded($0.value))
            })
    }

    func dn(_ branch: DirectoryBranch) -> String { "ou=\(branch.rawValue),\(base)" }

    func dn(_ name: String, in branch: DirectoryBranch) -> String {
        (branch == .groups ? "cn=" : "uid=") + name + ",ou=" + branch.rawValue + "," + base
    }

    // MARK: What is always there

    /// - Parameter hasCertificate: whether the client has shown one, with which it can log in.
    func root(version: String, canSecure: Bool, hasCertificate: Bool) -> FixedEntry {
        var extensions = [PasswordModify.oid, Extension.whoAmI]
        if canSecure { extensions.append(Extension.startTLS) }
        let mechanisms: [(Attribute, [String])] =
            hasCertificate ? [(.supportedSASLMechanisms, [LDAPService.external])] : []
        return FixedEntry(
            dn: "",
            [
                (.objectClass, [ObjectClass.top.rawValue, ObjectClass.extensibleObject.rawValue]),
                (.namingContexts, [base]), (.subschemaSubentry, [Self.schemaDN]), (.supportedLDAPVersion, ["3"]),
                (.supportedExtension, extensions), (.supportedControl, [PagedResults.oid, Extension.manageDsaIT]),
                // All operational attributes by "+"; filters that are always true or false.
                (.supportedFeatures, ["1.3.6.1.4.1.4203.1.5.1", "1.3.6.1.4.1.4203.1.5.3"]),
                (.vendorName, ["Martlet"]), (.vendorVersion, [version]),
            ] + mechanisms)
    }

    static let schema = FixedEntry(
        dn: schemaDN,
        [
            (.objectClass, ["top", "subentry", "subschema", "extensibleObject"]), (.cn, ["Subschema"]),
            (.structuralObjectClass, ["subentry"]), (.subschemaSubentry, [schemaDN]), (.entryDN, [schemaDN]),
            (.hasSubordinates, ["FALSE"]),
            (.ldapSyntaxes, Syntax.allCases.map { "( \($0.rawValue) DESC '\($0.name)' )" }),
            (.matchingRules, MatchingRule.allCases.flatMap(\.schemaTexts)),
            (.attributeTypes, Attribute.allCases.map(\.schemaText)),
            (.objectClasses, ObjectClass.allCases.map(\.schemaText)),
        ])

    var baseEntry: FixedEntry {
        let first = parts[0]
        let classes: [ObjectClass] =
            switch first.type {
            case "dc": [.top, .organization, .dcObject]
            case "o": [.top, .organization]
            default: [.top, .organizationalUnit]
            }
        var values: [(Attribute, [String])] = [(.objectClass, classes.map(\.rawValue))]
        if let attribute = Attribute(named: first.type) { values.append((attribute, [first.value])) }
        if first.type == "dc" { values.append((.o, ["Martlet"])) }
        return entry(base, values, structural: classes[1])
    }

    func entry(_ branch: DirectoryBranch) -> FixedEntry {
        let about =
            switch branch {
            case .people: "Accounts of people"
            case .groups: "Groups of accounts"
            case .services: "Accounts of services, computers and software"
            }
        return entry(
            dn(branch),
            [
                (.objectClass, ["top", "organizationalUnit"]), (.ou, [branch.rawValue]), (.description, [about]),
            ], structural: .organizationalUnit)
    }

    private func entry(
        _ dn: String, _ values: [(Attribute, [String])], structural: ObjectClass
    ) -> FixedEntry {
        // Of the name alone, so that it is the same for ever.
        let hash = DigestAlgorithm.sha256.hash(Array(("directory entry " + dn.lowercased()).utf8))
        return FixedEntry(
            dn: dn,
            values + [
                (.structuralObjectClass, [structural.rawValue]), (.entryUUID, [uuid(hash.prefix(16), version: 8)]),
                (.entryDN, [dn]),
                (.subschemaSubentry, [Self.schemaDN]), (.hasSubordinates, ["TRUE"]),
            ])
    }
}

/// Names of controls and operations beyond those of LDAPMessage.
enum Extension {
    static let startTLS = "1.3.6.1.4.1.1466.20037"
    static let whoAmI = "1.3.6.1.4.1.4203.1.11.3"
    /// Asks to see referrals as entries: there are none, so that it changes nothing.
    static let manageDsaIT = "2.16.840.1.113730.3.4.2"
}
