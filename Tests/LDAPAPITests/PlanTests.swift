import LDAPMessage
import Testing
import Wire

@testable import Identity
@testable import LDAPAPI

@Suite struct PlanTests {
    private static let tree = try? DirectoryTree(base: "dc=Example,dc=org")

    private func plan(_ filter: Filter, _ branch: DirectoryBranch) throws -> Plan? {
        Plan(Test(filter), in: branch, of: try #require(Self.tree))
    }

    private func equal(_ attribute: String, _ value: String) -> Filter { .equality(attribute, Array(value.utf8)) }

    @Test("the filters of programs are answered from an index, with nothing left to look at")
    func indexes() throws {
        let class1 = equal("objectClass", "inetOrgPerson")
        for (filter, branch, condition) in [
            (equal("UID", "Ada"), .people, .name("ada")), (equal("mail", "A@b.C"), .people, .email("a@b.c")),
            (equal("cn", " Ada   Lovelace"), .people, .commonName("ada lovelace")),
            (equal("cn", "Science"), .groups, .name("science")), (equal("uidNumber", "07"), .people, .number(7)),
            (.and([class1, equal("uid", "ada")]), .people, .name("ada")),
            (
                .and([.present("objectClass"), .or([equal("uid", "x"), equal("mail", "x")])]), .people,
                .any([.name("x"), .email("x")])
            ),
            (equal("memberOf", "CN=Science, ou=groups,dc=example,DC=org"), .people, .inGroup("science")),
            (equal("member", "uid=ada,ou=people,dc=example,dc=org"), .groups, .withMember("ada", .people)),
            (equal("memberUid", "ada"), .groups, .withMemberNamed("ada")),
            (
                equal("entryUUID", "7374C9BE-84C5-4EA4-8B2B-B1E9B1A539D7"), .people,
                .uuid("7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7")
            ),
        ] as [(Filter, DirectoryBranch, DirectoryCondition)] {
            let plan = try #require(try plan(filter, branch))
            #expect(plan.condition == condition)
            #expect(plan.isExact, "\(filter)")
        }
    }

    @Test("a branch in which nothing can match is not looked into")
    func nothing() throws {
        for (filter, branch) in [
            (equal("objectClass", "posixGroup"), .people), (equal("mail", "x"), .groups), (equal("uid", "x"), .groups),
            (equal("nonsense", "x"), .people), (.not(equal("nonsense", "x")), .people),
            (.present("userPassword"), .people),
            (.not(.present("objectClass")), .people), (.or([]), .people), (equal("uidNumber", "x"), .people),
            (equal("memberOf", "cn=x,dc=elsewhere"), .people), (.and([.present("uid"), .or([])]), .people),
        ] as [(Filter, DirectoryBranch)] {
            #expect(try plan(filter, branch) == nil, "\(filter)")
        }
    }

    @Test("what no index answers is held against each entry")
    func rest() throws {
        for filter in [
            .not(equal("uid", "ada")), equal("sn", "x"), .or([equal("uid", "ada"), equal("sn", "x")]),
            .substrings("cn", .init(final: Array("x".utf8))), .present("mail"),
        ] as [Filter] {
            let plan = try #require(try plan(filter, .people))
            #expect(plan.condition == .everything)
            #expect(!plan.isExact)
        }
        let prefix = try #require(try plan(.substrings("uid", .init(initial: Array("AD".utf8))), .people))
        #expect(prefix.condition == .namePrefix("ad"))
        let always = try #require(try plan(.and([]), .people))
        #expect(always.condition == .everything && always.isExact)
        // More conditions than a query has.
        let many = try #require(try plan(.or((0..<200).map { equal("uid", "a\($0)") }), .people))
        #expect(many.condition == .everything)
    }

    private static let ada = Entry.account(
        DirectoryAccount(
            account: Account(
                id: 5, name: "ada", kind: .person, displayName: "Ada  King Lovelace", email: "Ada@example.org",
                isDisabled: false, created: Timestamp(seconds: 1_700_000_000),
                changed: Timestamp(seconds: 1_700_000_100), uuid: "7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7",
                number: 200_005),
            groups: ["science"]), .people)

    @Test(
        "filters hold, do not hold or cannot be said, as RFC 4511 has it",
        arguments: [
            ("uid", "=", "ADA", Truth.yes), ("uid", "=", "ad", .no), ("cn", "=", "ada king  lovelace", .yes),
            ("sn", "~=", "lovelace", .yes), ("uidNumber", ">=", "200005", .yes), ("uidNumber", ">=", "200006", .no),
            ("uidNumber", "<=", "99", .no), ("uidNumber", "<=", "1000000", .yes), ("uidNumber", "=", "abc", .undefined),
            ("createTimestamp", ">=", "20231114221320Z", .yes), ("createTimestamp", ">=", "20231114221321Z", .no),
            ("createTimestamp", "<=", "202311142313+0100", .no), ("mail", ">=", "a", .undefined),
            ("nonsense", "=", "x", .undefined), ("description", "=", "x", .no),
            ("homeDirectory", "=", "/home/ADA", .no),
            ("memberOf", "=", "cn=SCIENCE,ou=groups,dc=example,dc=org", .yes), ("objectClass", "=", "2.5.6.6", .yes),
            ("entryUUID", "=", "7374C9BE-84C5-4EA4-8B2B-B1E9B1A539D7", .yes), ("userPassword", "=", "x", .no),
            ("uid;lang-en", "=", "ada", .undefined), ("cn", "=", "a\0", .undefined),
        ])
    func truth(attribute: String, kind: String, value: String, expected: Truth) throws {
        let tree = try #require(Self.tree)
        let bytes = Array(value.utf8)
        let filter: Filter =
            switch kind {
            case ">=": .greaterOrEqual(attribute, bytes)
            case "<=": .lessOrEqual(attribute, bytes)
            case "~=": .approximate(attribute, bytes)
            default: .equality(attribute, bytes)
            }
        #expect(Test(filter).evaluate(Self.ada, in: tree) == expected)
        let opposite: Truth = expected == .yes ? .no : expected == .no ? .yes : .undefined
        #expect(Test(.not(filter)).evaluate(Self.ada, in: tree) == opposite)
        // An index finds at least what holds.
        if expected == .yes { #expect(Plan(Test(filter), in: .people, of: tree) != nil) }
    }

    @Test(
        "pieces of texts",
        arguments: [
            ("a*", true), ("*ce", true), ("a*l*e", true), ("*king*love*", true), ("*love*king*", false), ("b*", false),
            ("ada king lovelace*e", false), ("*a k*", true), ("* *", true),
        ])
    func substrings(pattern: String, holds: Bool) throws {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map { Array($0.utf8) }
        var pieces = Filter.Substrings()
        if let first = parts.first, !first.isEmpty { pieces.initial = first }
        if let last = parts.last, !last.isEmpty { pieces.final = last }
        pieces.any = parts.dropFirst().dropLast().filter { !$0.isEmpty }
        let truth = Test(.substrings("cn", pieces)).evaluate(Self.ada, in: try #require(Self.tree))
        #expect((truth == .yes) == holds)
    }

    @Test("extensible filters: by rule, by name, in the entry's own name")
    func extensible() throws {
        let tree = try #require(Self.tree)
        for (rule, type, value, dn, expected) in [
            ("2.5.13.2", nil, "ADA", false, .yes), ("caseIgnoreMatch", "uid", "ada", false, .yes),
            (nil, "ou", "people", true, .yes), (nil, "ou", "people", false, .no),
            ("9.9", "uid", "ada", false, .undefined),
            ("2.5.13.14", "uid", "ada", false, .undefined),
            ("1.2.840.113556.1.4.1941", "memberOf", "cn=science,ou=groups,dc=example,dc=org", false, .yes),
        ] as [(String?, String?, String, Bool, Truth)] {
            let match = Filter.ExtensibleMatch(rule: rule, type: type, value: Array(value.utf8), includesName: dn)
            #expect(Test(.extensible(match)).evaluate(Self.ada, in: tree) == expected, "\(match)")
        }
    }
}
