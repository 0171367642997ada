import Identity
import LDAPMessage

/// How a filter is looked for in a branch: a condition that an index answers, and what is left to be held against each
/// entry that it finds. Nil as a whole means that no entry of the branch can match.
struct Plan: Sendable {
    var condition: DirectoryCondition
    var rest: Test

    /// Everything in the branch, each entry held against the filter.
    private static func scan(_ test: Test) -> Plan { Plan(condition: .everything, rest: test) }
    /// What the condition finds is what the filter means.
    private static func exactly(_ condition: DirectoryCondition) -> Plan {
        Plan(condition: condition, rest: .constant(.yes))
    }

    private init(condition: DirectoryCondition, rest: Test) {
        self.condition = condition
        self.rest = rest
    }

    /// Whether all that the condition finds is wanted.
    var isExact: Bool { if case .constant(.yes) = rest { true } else { false } }

    /// The same for the one entry of this name, and those whose names differ from it in case.
    func of(_ name: String) -> Plan {
        Plan(condition: .all([.name(Identity.folded(name)), condition]), rest: rest)
    }

    func holds(_ entry: Entry, in tree: DirectoryTree) -> Bool { isExact || rest.evaluate(entry, in: tree) == .yes }

    init?(_ test: Test, in branch: DirectoryBranch, of tree: DirectoryTree) {
        guard let plan = Self.make(test.simplified(for: branch), branch, tree) else { return nil }
        self = plan.condition.parts > DirectoryCondition.partsMax / 2 ? .scan(test.simplified(for: branch)) : plan
    }

    private static func make(_ test: Test, _ branch: DirectoryBranch, _ tree: DirectoryTree) -> Plan? {
        switch test {
        case .constant(.yes): return .scan(test)
        case .constant: return nil
        case .equals(let attribute, let value): return equality(attribute, value, test, branch, tree)
        case .substrings(let attribute, let pieces):
            guard let initial = pieces.initial, !initial.isEmpty, initial.last != UInt8(ascii: " ") else {
                return .scan(test)
            }
            let text = String(decoding: initial, as: UTF8.self)
            switch attribute {
            case .uid: return Plan(condition: .namePrefix(text), rest: test)
            case .cn:
                return Plan(condition: branch == .groups ? .namePrefix(text) : .commonNamePrefix(text), rest: test)
            case .mail: return Plan(condition: .emailPrefix(text), rest: test)
            default: return .scan(test)
            }
        case .and(let tests):
            var plans: [Plan] = []
            for test in tests {
                guard let plan = make(test, branch, tree) else { return nil }
                plans.append(plan)
            }
            let conditions = plans.map(\.condition).filter { $0 != .everything }
            return Plan(
                condition: conditions.isEmpty ? .everything : .all(conditions),
                rest: Test.and(plans.map(\.rest)).simplified(for: branch))
        case .or(let tests):
            let plans = tests.compactMap { make($0, branch, tree) }
            guard !plans.isEmpty else { return nil }
            guard plans.allSatisfy({ $0.condition != .everything }) else { return .scan(test) }
            return Plan(
                condition: .any(plans.map(\.condition)), rest: plans.allSatisfy(\.isExact) ? .constant(.yes) : test)
        case .not, .present, .atLeast, .atMost, .named: return .scan(test)
        }
    }

    private static func equality(
        _ attribute: Attribute, _ value: String, _ test: Test, _ branch: DirectoryBranch, _ tree: DirectoryTree
    ) -> Plan? {
        switch attribute {
        case .uid: return .exactly(.name(value))
        case .cn: return .exactly(branch == .groups ? .name(value) : .commonName(value))
        case .mail: return .exactly(.email(value))
        case .entryUUID: return .exactly(.uuid(value))
        case .uidNumber, .gidNumber: return Int64(value).map { .exactly(.number($0)) }
        case .memberUid: return .exactly(.withMemberNamed(value))
        case .member:
            guard case .leaf(let branch, let name) = try? tree.place(value), branch != .groups else { return nil }
            return .exactly(.withMember(Identity.folded(name), branch))
        case .memberOf:
            guard case .leaf(.groups, let name) = try? tree.place(value) else { return nil }
            return .exactly(.inGroup(Identity.folded(name)))
        case .entryDN:
            guard case .leaf(branch, let name) = try? tree.place(value) else { return nil }
            return .exactly(.name(Identity.folded(name)))
        default: return .scan(test)
        }
    }
}

extension Test {
    /// The same for the entries of one branch, as far as that is known before they are looked at.
    func simplified(for branch: DirectoryBranch) -> Test {
        switch self {
        case .constant, .named: return self
        case .present(let attribute):
            return branch.always(attribute)
                ? .constant(.yes) : branch.attributes.contains(attribute) ? self : .constant(.no)
        case .equals(.objectClass, let value):
            return .constant(branch.classes.contains { $0.rawValue.lowercased() == value } ? .yes : .no)
        case .equals(let attribute, _), .substrings(let attribute, _), .atLeast(let attribute, _),
            .atMost(let attribute, _):
            return branch.attributes.contains(attribute) ? self : .constant(.no)
        case .not(let test):
            let test = test.simplified(for: branch)
            guard case .constant(let truth) = test else { return .not(test) }
            return .constant(truth == .yes ? .no : truth == .no ? .yes : .undefined)
        case .and(let tests):
            var rest: [Test] = []
            for test in tests.map({ $0.simplified(for: branch) }) {
                switch test {
                case .constant(.yes): break
                case .constant(.no): return .constant(.no)
                default: rest.append(test)
                }
            }
            return rest.isEmpty ? .constant(.yes) : rest.count == 1 ? rest[0] : .and(rest)
        case .or(let tests):
            var rest: [Test] = []
            for test in tests.map({ $0.simplified(for: branch) }) {
                switch test {
                case .constant(.no): break
                case .constant(.yes): return .constant(.yes)
                default: rest.append(test)
                }
            }
            return rest.isEmpty ? .constant(.no) : rest.count == 1 ? rest[0] : .or(rest)
        }
    }

    /// Whether it looks at any of these.
    func mentions(_ attributes: [Attribute]) -> Bool {
        switch self {
        case .constant, .named: false
        case .and(let tests), .or(let tests): tests.contains { $0.mentions(attributes) }
        case .not(let test): test.mentions(attributes)
        case .present(let attribute), .equals(let attribute, _), .substrings(let attribute, _),
            .atLeast(let attribute, _), .atMost(let attribute, _):
            attributes.contains(attribute)
        }
    }
}
