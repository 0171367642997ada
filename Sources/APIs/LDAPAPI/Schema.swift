import LDAPMessage

/// How values of an attribute are compared.
enum MatchingRule: String, CaseIterable {
    case caseIgnoreMatch, caseIgnoreIA5Match, caseExactIA5Match, integerMatch, distinguishedNameMatch,
        generalizedTimeMatch, booleanMatch, uuidMatch = "UUIDMatch", objectIdentifierMatch, octetStringMatch,
        objectIdentifierFirstComponentMatch

    var oid: String {
        switch self {
        case .objectIdentifierMatch: "2.5.13.0"
        case .distinguishedNameMatch: "2.5.13.1"
        case .caseIgnoreMatch: "2.5.13.2"
        case .booleanMatch: "2.5.13.13"
        case .integerMatch: "2.5.13.14"
        case .octetStringMatch: "2.5.13.17"
        case .generalizedTimeMatch: "2.5.13.27"
        case .objectIdentifierFirstComponentMatch: "2.5.13.30"
        case .caseExactIA5Match: "1.3.6.1.4.1.1466.109.114.1"
        case .caseIgnoreIA5Match: "1.3.6.1.4.1.1466.109.114.2"
        case .uuidMatch: "1.3.6.1.1.16.2"
        }
    }

    var syntax: Syntax {
        switch self {
        case .objectIdentifierMatch, .objectIdentifierFirstComponentMatch: .oid
        case .distinguishedNameMatch: .distinguishedName
        case .caseIgnoreMatch: .directoryString
        case .booleanMatch: .boolean
        case .integerMatch: .integer
        case .octetStringMatch: .octetString
        case .generalizedTimeMatch: .generalizedTime
        case .caseExactIA5Match, .caseIgnoreIA5Match: .ia5String
        case .uuidMatch: .uuid
        }
    }

    /// Rules for pieces of texts and for order, beside this one.
    var substrings: (name: String, oid: String)? {
        switch self {
        case .caseIgnoreMatch: ("caseIgnoreSubstringsMatch", "2.5.13.4")
        case .caseIgnoreIA5Match: ("caseIgnoreIA5SubstringsMatch", "1.3.6.1.4.1.1466.109.114.3")
        case .caseExactIA5Match: ("caseExactIA5SubstringsMatch", "1.3.6.1.4.1.4203.1.2.1")
        default: nil
        }
    }

    var ordering: (name: String, oid: String)? {
        switch self {
        case .caseIgnoreMatch: ("caseIgnoreOrderingMatch", "2.5.13.3")
        case .integerMatch: ("integerOrderingMatch", "2.5.13.15")
        case .generalizedTimeMatch: ("generalizedTimeOrderingMatch", "2.5.13.28")
        default: nil
        }
    }
}

enum Syntax: String, CaseIterable {
    case attributeTypeDescription = "1.3.6.1.4.1.1466.115.121.1.3"
    case boolean = "1.3.6.1.4.1.1466.115.121.1.7"
    case distinguishedName = "1.3.6.1.4.1.1466.115.121.1.12"
    case directoryString = "1.3.6.1.4.1.1466.115.121.1.15"
    case generalizedTime = "1.3.6.1.4.1.1466.115.121.1.24"
    case ia5String = "1.3.6.1.4.1.1466.115.121.1.26"
    case integer = "1.3.6.1.4.1.1466.115.121.1.27"
    case matchingRuleDescription = "1.3.6.1.4.1.1466.115.121.1.30"
    case objectClassDescription = "1.3.6.1.4.1.1466.115.121.1.37"
    case oid = "1.3.6.1.4.1.1466.115.121.1.38"
    case octetString = "1.3.6.1.4.1.1466.115.121.1.40"
    case ldapSyntaxDescription = "1.3.6.1.4.1.1466.115.121.1.54"
    case uuid = "1.3.6.1.1.16.1"

    var name: String {
        switch self {
        case .attributeTypeDescription: "Attribute Type Description"
        case .boolean: "Boolean"
        case .distinguishedName: "DN"
        case .directoryString: "Directory String"
        case .generalizedTime: "Generalized Time"
        case .ia5String: "IA5 String"
        case .integer: "INTEGER"
        case .matchingRuleDescription: "Matching Rule Description"
        case .objectClassDescription: "Object Class Description"
        case .oid: "OID"
        case .octetString: "Octet String"
        case .ldapSyntaxDescription: "LDAP Syntax Description"
        case .uuid: "UUID"
        }
    }
}

/// The attributes that this directory knows (RFC 4512, 4519, 4524, 2307, 2798, 4530, 5020).
enum Attribute: String, CaseIterable {
    case objectClass, uid, cn, sn, givenName, displayName, mail, description, userPassword
    case uidNumber, gidNumber, homeDirectory, loginShell, memberUid
    case member, uniqueMember, ou, dc, o
    // Operational, of every entry.
    case memberOf, entryUUID, entryDN, createTimestamp, modifyTimestamp, hasSubordinates, structuralObjectClass,
        subschemaSubentry, pwdAccountLockedTime, nsAccountLock
    // Of the root.
    case namingContexts, supportedLDAPVersion, supportedExtension, supportedControl, supportedFeatures,
        supportedSASLMechanisms, vendorName, vendorVersion
    // Of the schema.
    case attributeTypes, objectClasses, matchingRules, ldapSyntaxes

    private struct Definition {
        var oid: String
        var rule: MatchingRule
        var syntax: Syntax?
        var otherNames: [String] = []
        var isSingle = false
    }

    private var definition: Definition {
        switch self {
        case .objectClass: Definition(oid: "2.5.4.0", rule: .objectIdentifierMatch)
        case .uid: Definition(oid: "0.9.2342.19200300.100.1.1", rule: .caseIgnoreMatch, otherNames: ["userid"])
        case .cn: Definition(oid: "2.5.4.3", rule: .caseIgnoreMatch, otherNames: ["commonName"])
        case .sn: Definition(oid: "2.5.4.4", rule: .caseIgnoreMatch, otherNames: ["surname"])
        case .givenName: Definition(oid: "2.5.4.42", rule: .caseIgnoreMatch, otherNames: ["gn"])
        case .displayName: Definition(oid: "2.16.840.1.113730.3.1.241", rule: .caseIgnoreMatch, isSingle: true)
        case .mail:
            Definition(oid: "0.9.2342.19200300.100.1.3", rule: .caseIgnoreIA5Match, otherNames: ["rfc822Mailbox"])
        case .description: Definition(oid: "2.5.4.13", rule: .caseIgnoreMatch)
        case .userPassword: Definition(oid: "2.5.4.35", rule: .octetStringMatch)
        case .uidNumber: Definition(oid: "1.3.6.1.1.1.1.0", rule: .integerMatch, isSingle: true)
        case .gidNumber: Definition(oid: "1.3.6.1.1.1.1.1", rule: .integerMatch, isSingle: true)
        case .homeDirectory: Definition(oid: "1.3.6.1.1.1.1.3", rule: .caseExactIA5Match, isSingle: true)
        case .loginShell: Definition(oid: "1.3.6.1.1.1.1.4", rule: .caseExactIA5Match, isSingle: true)
        case .memberUid: Definition(oid: "1.3.6.1.1.1.1.12", rule: .caseExactIA5Match)
        case .member: Definition(oid: "2.5.4.31", rule: .distinguishedNameMatch)
        case .uniqueMember: Definition(oid: "2.5.4.50", rule: .distinguishedNameMatch)
        case .ou: Definition(oid: "2.5.4.11", rule: .caseIgnoreMatch, otherNames: ["organizationalUnitName"])
        case .dc:
            Definition(
                oid: "0.9.2342.19200300.100.1.25", rule: .caseIgnoreIA5Match, otherNames: ["domainComponent"],
                isSingle: true)
        case .o: Definition(oid: "2.5.4.10", rule: .caseIgnoreMatch, otherNames: ["organizationName"])
        case .memberOf: Definition(oid: "1.2.840.113556.1.2.102", rule: .distinguishedNameMatch)
        case .entryUUID: Definition(oid: "1.3.6.1.1.16.4", rule: .uuidMatch, isSingle: true)
        case .entryDN: Definition(oid: "1.3.6.1.1.20", rule: .distinguishedNameMatch, isSingle: true)
        case .createTimestamp: Definition(oid: "2.5.18.1", rule: .generalizedTimeMatch, isSingle: true)
        case .modifyTimestamp: Definition(oid: "2.5.18.2", rule: .generalizedTimeMatch, isSingle: true)
        case .hasSubordinates: Definition(oid: "2.5.18.9", rule: .booleanMatch, isSingle: true)
        case .structuralObjectClass: Definition(oid: "2.5.21.9", rule: .objectIdentifierMatch, isSingle: true)
        case .subschemaSubentry: Definition(oid: "2.5.18.10", rule: .distinguishedNameMatch, isSingle: true)
        case .pwdAccountLockedTime:
            Definition(oid: "1.3.6.1.4.1.42.2.27.8.1.17", rule: .generalizedTimeMatch, isSingle: true)
        case .nsAccountLock: Definition(oid: "2.16.840.1.113730.3.1.610", rule: .caseIgnoreMatch, isSingle: true)
        case .namingContexts: Definition(oid: "1.3.6.1.4.1.1466.101.120.5", rule: .distinguishedNameMatch)
        case .supportedLDAPVersion: Definition(oid: "1.3.6.1.4.1.1466.101.120.15", rule: .integerMatch)
        case .supportedExtension: Definition(oid: "1.3.6.1.4.1.1466.101.120.7", rule: .objectIdentifierMatch)
        case .supportedControl: Definition(oid: "1.3.6.1.4.1.1466.101.120.13", rule: .objectIdentifierMatch)
        case .supportedFeatures: Definition(oid: "1.3.6.1.4.1.4203.1.3.5", rule: .objectIdentifierMatch)
        case .supportedSASLMechanisms:
            Definition(oid: "1.3.6.1.4.1.1466.101.120.14", rule: .caseIgnoreMatch)
        case .vendorName: Definition(oid: "1.3.6.1.1.4", rule: .caseIgnoreMatch, isSingle: true)
        case .vendorVersion: Definition(oid: "1.3.6.1.1.5", rule: .caseIgnoreMatch, isSingle: true)
        case .attributeTypes:
            Definition(
                oid: "2.5.21.5", rule: .objectIdentifierFirstComponentMatch, syntax: .attributeTypeDescription)
        case .objectClasses:
            Definition(oid: "2.5.21.6", rule: .objectIdentifierFirstComponentMatch, syntax: .objectClassDescription)
        case .matchingRules:
            Definition(oid: "2.5.21.4", rule: .objectIdentifierFirstComponentMatch, syntax: .matchingRuleDescription)
        case .ldapSyntaxes:
            Definition(
                oid: "1.3.6.1.4.1.1466.101.120.16", rule: .objectIdentifierFirstComponentMatch,
                syntax: .ldapSyntaxDescription)
        }
    }

    /// Whether it is about the entry rather than about what the entry is for: returned only where it is asked for.
    var isOperational: Bool {
        switch self {
        case .memberOf, .entryUUID, .entryDN, .createTimestamp, .modifyTimestamp, .hasSubordinates,
            .structuralObjectClass, .subschemaSubentry, .pwdAccountLockedTime, .nsAccountLock, .namingContexts,
            .supportedLDAPVersion, .supportedExtension, .supportedControl, .supportedFeatures, .supportedSASLMechanisms,
            .vendorName, .vendorVersion, .attributeTypes, .objectClasses, .matchingRules, .ldapSyntaxes:
            true
        default: false
        }
    }

    var rule: MatchingRule { Self.rules[self] ?? .caseIgnoreMatch }

    private static let rules = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.definition.rule) })

    /// All names and object identifiers, in lower case.
    private static let byName: [String: Attribute] = {
        var names: [String: Attribute] = [:]
        for attribute in allCases {
            let definition = attribute.definition
            for name in [attribute.rawValue, definition.oid] + definition.otherNames {
                names[name.lowercased()] = attribute
            }
        }
        return names
    }()

    /// Nil for an attribute that nobody here knows, also for one with options: no value has any.
    init?(named name: String) {
        guard let attribute = Self.byName[name.lowercased()] else { return nil }
        self = attribute
    }

    /// RFC 4512 §4.1.2.
    var schemaText: String {
        let definition = definition
        var text = "( \(definition.oid) NAME "
        let names = [rawValue] + definition.otherNames
        text += names.count == 1 ? "'\(rawValue)'" : "( " + names.map { "'\($0)'" }.joined(separator: " ") + " )"
        text += " EQUALITY \(definition.rule.rawValue)"
        if let ordering = definition.rule.ordering { text += " ORDERING \(ordering.name)" }
        if let substrings = definition.rule.substrings { text += " SUBSTR \(substrings.name)" }
        text += " SYNTAX \((definition.syntax ?? definition.rule.syntax).rawValue)"
        if definition.isSingle { text += " SINGLE-VALUE" }
        if isOperational {
            let isOfServer = Self.ofServer.contains(self)
            text += " NO-USER-MODIFICATION USAGE \(isOfServer ? "dSAOperation" : "directoryOperation")"
        }
        return text + " )"
    }

    private static let ofServer: Set<Attribute> = [
        .namingContexts, .supportedLDAPVersion, .supportedExtension, .supportedControl, .supportedFeatures,
        .supportedSASLMechanisms, .vendorName, .vendorVersion, .memberOf,
    ]
}

/// The classes that entries have.
enum ObjectClass: String, CaseIterable {
    case top, person, organizationalPerson, inetOrgPerson, account, posixAccount, groupOfNames, posixGroup,
        organizationalUnit, organization, dcObject, subentry, subschema, extensibleObject

    private struct Definition {
        var oid: String
        var kind: String
        var above: ObjectClass?
        var must: [Attribute] = []
        var may: [Attribute] = []
    }

    private var definition: Definition {
        switch self {
        case .top: Definition(oid: "2.5.6.0", kind: "ABSTRACT", must: [.objectClass])
        case .person:
            Definition(
                oid: "2.5.6.6", kind: "STRUCTURAL", above: .top, must: [.sn, .cn], may: [.userPassword, .description])
        case .organizationalPerson: Definition(oid: "2.5.6.7", kind: "STRUCTURAL", above: .person, may: [.ou])
        case .inetOrgPerson:
            Definition(
                oid: "2.16.840.1.113730.3.2.2", kind: "STRUCTURAL", above: .organizationalPerson,
                may: [.displayName, .givenName, .mail, .o, .uid])
        case .account:
            Definition(
                oid: "0.9.2342.19200300.100.4.5", kind: "STRUCTURAL", above: .top, must: [.uid],
                may: [.description, .o, .ou])
        case .posixAccount:
            Definition(
                oid: "1.3.6.1.1.1.2.0", kind: "AUXILIARY", above: .top,
                must: [.cn, .uid, .uidNumber, .gidNumber, .homeDirectory],
                may: [.userPassword, .loginShell, .description])
        // As in RFC 2307bis: beside groupOfNames, which may have no member.
        case .groupOfNames:
            Definition(
                oid: "2.5.6.9", kind: "STRUCTURAL", above: .top, must: [.cn], may: [.member, .description, .o, .ou])
        case .posixGroup:
            Definition(
                oid: "1.3.6.1.1.1.2.2", kind: "AUXILIARY", above: .top, must: [.gidNumber],
                may: [.userPassword, .memberUid, .description])
        case .organizationalUnit:
            Definition(oid: "2.5.6.5", kind: "STRUCTURAL", above: .top, must: [.ou], may: [.description])
        case .organization:
            Definition(oid: "2.5.6.4", kind: "STRUCTURAL", above: .top, must: [.o], may: [.description])
        case .dcObject: Definition(oid: "1.3.6.1.4.1.1466.344", kind: "AUXILIARY", above: .top, must: [.dc])
        case .subentry: Definition(oid: "2.5.17.0", kind: "STRUCTURAL", above: .top, must: [.cn])
        case .subschema:
            Definition(
                oid: "2.5.20.1", kind: "AUXILIARY",
                may: [.attributeTypes, .objectClasses, .matchingRules])
        case .extensibleObject: Definition(oid: "1.3.6.1.4.1.1466.101.120.111", kind: "AUXILIARY", above: .top)
        }
    }

    /// By name or object identifier, in lower case.
    private static let byName: [String: ObjectClass] = {
        var names: [String: ObjectClass] = [:]
        for value in allCases {
            for name in [value.rawValue, value.definition.oid] { names[name.lowercased()] = value }
        }
        return names
    }()

    init?(named name: String) {
        guard let found = Self.byName[name.lowercased()] else { return nil }
        self = found
    }

    /// RFC 4512 §4.1.1.
    var schemaText: String {
        let definition = definition
        func list(_ word: String, _ attributes: [Attribute]) -> String {
            let names = attributes.map(\.rawValue)
            return names.isEmpty
                ? "" : " \(word) " + (names.count == 1 ? names[0] : "( \(names.joined(separator: " $ ")) )")
        }
        let above = definition.above.map { " SUP \($0.rawValue)" } ?? ""
        return "( \(definition.oid) NAME '\(rawValue)'\(above) \(definition.kind)"
            + list("MUST", definition.must) + list("MAY", definition.may) + " )"
    }
}

extension MatchingRule {
    /// RFC 4512 §4.1.3, of this rule and those beside it.
    var schemaTexts: [String] {
        let rules = [(name: rawValue, oid: oid), substrings, ordering].compactMap { $0 }
        return rules.map { "( \($0.oid) NAME '\($0.name)' SYNTAX \(syntax.rawValue) )" }
    }
}
