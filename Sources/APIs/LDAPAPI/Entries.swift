import Identity
import LDAPMessage
import Wire

/// An entry that is not in the database.
struct FixedEntry: Sendable {
    var dn: String
    var attributes: [Attribute]
    private var values: [Attribute: [String]]

    init(dn: String, _ values: [(Attribute, [String])]) {
        self.dn = dn
        attributes = values.map(\.0)
        self.values = Dictionary(values) { first, _ in first }
    }

    subscript(_ attribute: Attribute) -> [String] { values[attribute] ?? [] }
}

/// The values of one attribute of one entry. Nearly all have one, which then needs no array.
enum Values {
    case none
    case one(String)
    case many([String])

    func contains(where isWanted: (String) -> Bool) -> Bool {
        switch self {
        case .none: false
        case .one(let value): isWanted(value)
        case .many(let values): values.contains(where: isWanted)
        }
    }

    var isEmpty: Bool {
        switch self {
        case .none: true
        case .one: false
        case .many(let values): values.isEmpty
        }
    }
}

/// An entry as searches see it.
enum Entry: Sendable {
    case fixed(FixedEntry)
    case account(DirectoryAccount, DirectoryBranch)
    case group(DirectoryGroup)

    var id: Int64 {
        switch self {
        case .fixed: 0
        case .account(let found, _): found.account.id
        case .group(let found): found.group.id
        }
    }

    /// The name of the account or group.
    var name: String {
        switch self {
        case .fixed(let entry): entry.dn
        case .account(let found, _): found.account.name
        case .group(let found): found.group.name
        }
    }
}

extension DirectoryBranch {
    /// What its entries have, in the order in which they are shown.
    var attributes: [Attribute] {
        let operational: [Attribute] = [
            .structuralObjectClass, .entryUUID, .entryDN, .createTimestamp, .modifyTimestamp, .hasSubordinates,
            .subschemaSubentry,
        ]
        let locks: [Attribute] = [.pwdAccountLockedTime, .nsAccountLock]
        return switch self {
        case .people:
            [
                .objectClass, .uid, .cn, .sn, .givenName, .displayName, .mail, .uidNumber, .gidNumber, .homeDirectory,
                .loginShell, .memberOf,
            ] + operational + locks
        case .services:
            [
                .objectClass, .uid, .cn, .description, .uidNumber, .gidNumber, .homeDirectory, .loginShell, .memberOf,
            ] + operational + locks
        case .groups: [.objectClass, .cn, .gidNumber, .member, .memberUid] + operational
        }
    }

    /// Whether every entry has a value.
    func always(_ attribute: Attribute) -> Bool {
        switch attribute {
        case .givenName, .displayName, .mail, .description, .memberOf, .member, .memberUid, .pwdAccountLockedTime,
            .nsAccountLock:
            false
        default: attributes.contains(attribute)
        }
    }

    var classes: [ObjectClass] {
        switch self {
        case .people: [.top, .person, .organizationalPerson, .inetOrgPerson, .posixAccount]
        case .services: [.top, .account, .posixAccount]
        case .groups: [.top, .groupOfNames, .posixGroup]
        }
    }

    var structuralClass: ObjectClass {
        switch self {
        case .people: .inetOrgPerson
        case .services: .account
        case .groups: .groupOfNames
        }
    }
}

extension DirectoryTree {
    func dn(of entry: Entry) -> String {
        switch entry {
        case .fixed(let entry): entry.dn
        case .account(let found, let branch): dn(found.account.name, in: branch)
        case .group(let found): dn(found.group.name, in: .groups)
        }
    }

    func values(of attribute: Attribute, in entry: Entry) -> Values {
        switch entry {
        case .fixed(let entry): .many(entry[attribute])
        case .account(let found, let branch): values(of: attribute, in: found, branch)
        case .group(let found): values(of: attribute, in: found)
        }
    }

    private func values(
        of attribute: Attribute, in found: DirectoryAccount, _ branch: DirectoryBranch
    ) -> Values {
        let account = found.account
        switch attribute {
        case .objectClass: return .many(branch.classes.map(\.rawValue))
        case .uid: return .one(account.name)
        case .cn: return .one(account.displayName.isEmpty ? account.name : account.displayName)
        // Of a name the last word is the family's, as far as a program can know.
        case .sn: return .one(account.displayName.split(separator: " ").last.map { String($0) } ?? account.name)
        case .givenName:
            let words = account.displayName.split(separator: " ").dropLast()
            return words.isEmpty ? .none : .one(words.joined(separator: " "))
        case .displayName, .description: return account.displayName.isEmpty ? .none : .one(account.displayName)
        case .mail: return account.email.isEmpty ? .none : .one(account.email)
        // Each account is a group of its own on Unix.
        case .uidNumber, .gidNumber: return .one(String(account.number))
        case .homeDirectory: return .one("/home/" + account.name)
        case .loginShell:
            return .one(branch == .people && !account.isDisabled ? "/bin/bash" : "/usr/sbin/nologin")
        case .memberOf:
            return found.groups.isEmpty ? .none : .many(found.groups.map { dn($0, in: .groups) })
        case .structuralObjectClass: return .one(branch.structuralClass.rawValue)
        case .entryUUID: return .one(account.uuid)
        case .entryDN: return .one(dn(account.name, in: branch))
        case .createTimestamp: return .one(account.created.generalizedTime)
        case .modifyTimestamp: return .one(account.changed.generalizedTime)
        case .hasSubordinates: return .one("FALSE")
        case .subschemaSubentry: return .one(Self.schemaDN)
        // For good, in the words of draft-behera-ldap-password-policy and of the 389 server.
        case .pwdAccountLockedTime: return account.isDisabled ? .one("000001010000Z") : .none
        case .nsAccountLock: return account.isDisabled ? .one("TRUE") : .none
        default: return .none
        }
    }

    private func values(of attribute: Attribute, in found: DirectoryGroup) -> Values {
        let group = found.group
        switch attribute {
        case .objectClass: return .many(DirectoryBranch.groups.classes.map(\.rawValue))
        case .cn: return .one(group.name)
        case .gidNumber: return .one(String(group.number))
        case .member: return .many(found.members.map { dn($0.name, in: $0.branch) })
        case .memberUid: return .many(found.members.map(\.name))
        case .structuralObjectClass: return .one(DirectoryBranch.groups.structuralClass.rawValue)
        case .entryUUID: return .one(group.uuid)
        case .entryDN: return .one(dn(group.name, in: .groups))
        case .createTimestamp: return .one(group.created.generalizedTime)
        case .modifyTimestamp: return .one(group.changed.generalizedTime)
        case .hasSubordinates: return .one("FALSE")
        case .subschemaSubentry: return .one(Self.schemaDN)
        default: return .none
        }
    }
}

/// Which attributes a search wants to see.
struct Selection: Sendable {
    private var user = false
    private var operational = false
    private var named: Set<Attribute> = []
    var typesOnly: Bool

    init(_ names: [String], typesOnly: Bool) {
        self.typesOnly = typesOnly
        user = names.isEmpty || names.contains("*")
        operational = names.contains("+")
        for name in names { if let attribute = Attribute(named: name) { named.insert(attribute) } }
    }

    func contains(_ attribute: Attribute) -> Bool {
        named.contains(attribute) || (attribute.isOperational ? operational : user)
    }
}

/// Writes the entries of one branch for one search.
struct EntryWriter: Sendable {
    private let tree: DirectoryTree
    private let attributes: [Attribute]
    private let typesOnly: Bool
    /// The attribute that all entries of a branch have alike.
    private var classes: [UInt8] = []

    init(_ tree: DirectoryTree, _ attributes: [Attribute], _ selection: Selection, classes: [ObjectClass] = []) {
        self.tree = tree
        self.attributes = attributes.filter { selection.contains($0) }
        typesOnly = selection.typesOnly
        if !classes.isEmpty, selection.contains(.objectClass), !typesOnly {
            var writer = BERWriter(capacity: 128)
            writer.attribute(Attribute.objectClass.rawValue) { for value in classes { $0.string(value.rawValue) } }
            self.classes = writer.bytes
        }
    }

    /// Whether it writes the attribute.
    func shows(_ attribute: Attribute) -> Bool { attributes.contains(attribute) }

    func write(_ entry: Entry, id: Int32, to writer: inout BERWriter) {
        writer.entry(id, dn: tree.dn(of: entry)) { writer in
            for attribute in attributes {
                if attribute == .objectClass, !classes.isEmpty {
                    writer.raw(classes)
                    continue
                }
                let values = tree.values(of: attribute, in: entry)
                guard !values.isEmpty else { continue }
                writer.attribute(attribute.rawValue) { writer in
                    guard !typesOnly else { return }
                    switch values {
                    case .none: break
                    case .one(let value): writer.string(value)
                    case .many(let values): for value in values { writer.string(value) }
                    }
                }
            }
        }
    }
}

extension Timestamp {
    /// Parses LDAP's generalized time (RFC 4517 §3.3.13) with its time zone; minutes and seconds may be missing.
    init?(generalizedTime text: String) {
        let bytes = Array(text.utf8)
        let count = bytes.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
        guard [10, 12, 14].contains(count) else { return nil }
        func number(_ from: Int, _ places: Int) -> Int {
            from + places <= count ? bytes[from..<(from + places)].reduce(0) { $0 * 10 + Int($1) - 48 } : 0
        }
        var rest = bytes[count...]
        if let mark = rest.first, mark == UInt8(ascii: ".") || mark == UInt8(ascii: ",") {
            rest = rest.dropFirst().drop { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        }
        var offset: Int64 = 0
        if rest.elementsEqual([UInt8(ascii: "Z")]) {
            offset = 0
        } else if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"),
            let zone = Int64(String(decoding: rest.dropFirst(), as: UTF8.self)), [3, 5].contains(rest.count), zone >= 0
        {
            let minutes = rest.count == 3 ? zone * 60 : zone / 100 * 60 + zone % 100
            offset = (sign == UInt8(ascii: "+") ? 60 : -60) * minutes
        } else {
            return nil
        }
        guard
            let time = Timestamp(
                year: number(0, 4), month: number(4, 2), day: number(6, 2), hour: number(8, 2), minute: number(10, 2),
                second: number(12, 2))
        else { return nil }
        self = time.adding(seconds: -offset)
    }
}
