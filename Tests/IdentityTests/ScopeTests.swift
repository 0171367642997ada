import Identity
import Testing

@Suite struct ScopeTests {
    @Test(
        "a capability covers what is below its path, by whole components",
        arguments: [
            ("storage.read:/foo/bar", "storage.read:/foo/bar", true),
            ("storage.read:/foo/bar", "storage.read:/foo/bar/baz", true),
            ("storage.read:/foo/bar", "storage.read:/foo/bar/", true),
            ("storage.read:/foo/bar", "storage.read:/foo/bargain", false),
            ("storage.read:/foo/bar", "storage.read:/foo", false),
            ("storage.read:/", "storage.read:/foo", true),
            ("storage.read:/foo/bar/", "storage.read:/foo/bar", false),
            ("storage.read:/foo/bar/", "storage.read:/foo/bar/baz", true),
            ("storage.read:/foo%20bar", "storage.read:/foo%20bar/x", true),
            ("storage.read:/f%6Fo", "storage.read:/foo", true),
            ("storage.modify:/foo", "storage.create:/foo/x", true),
            ("storage.create:/foo", "storage.modify:/foo/x", false),
            ("storage.stage:/foo", "storage.read:/foo", false),
            ("storage.read:/foo", "storage.stage:/foo", false),
            ("martlet", "storage.modify:/foo", true),
            ("martlet storage.read:/foo", "storage.modify:/foo", false),
            ("openid", "profile", false),
            ("compute.read", "compute.read", true),
            ("compute.read", "compute.create", false),
        ])
    func covers(held: String, asked: String, isCovered: Bool) throws {
        #expect(try Scopes(parsing: held).cover(asked) == isCovered)
    }

    @Test(
        "a capability without a path, or with one that is not normalized, is refused",
        arguments: [
            "storage.read", "storage.read:", "storage.read:foo", "storage.read:/a//b", "storage.read:/a/../b",
            "storage.read:/./a", "storage.read:/a%2Fb", "storage.read:/a%00", "storage.read:/a%zz",
            "storage.write:/a", "compute.read:/a", "storage.:/", "storage.read:/%2E%2E/a",
        ])
    func refused(text: String) {
        #expect(throws: IdentityError.self) { try Scopes(parsing: text) }
    }

    @Test(
        "who may create at a path, and not modify, replaces nothing there",
        arguments: [
            ("storage.create:/eo", "eo", "a/b", true), ("storage.create:/eo/a", "eo", "a/b", true),
            ("storage.create:/eo/a", "eo", "ab", false), ("storage.create:/eo/a", "other", "a/b", false),
            ("storage.create:/eo storage.modify:/eo/a", "eo", "a/b", false),
            ("storage.create:/eo storage.modify:/eo/a", "eo", "c", true),
            ("storage.create:/", "eo", "a", true), ("storage.create:/eo/a/", "eo", "a", false),
            ("storage.create:/eo/a/", "eo", "a/", true), ("storage.read:/eo", "eo", "a", false),
            ("martlet", "eo", "a", false),
        ])
    func creating(held: String, collection: String, key: String, only: Bool) throws {
        #expect(try Scopes(parsing: held).onlyCreate(collection, key) == only)
    }

    @Test("scopes keep their order and each comes once; any capability limits the token to capabilities")
    func limits() throws {
        let scopes = try Scopes(parsing: "openid  profile openid storage.read:/eo")
        #expect(scopes.text == "openid profile storage.read:/eo")
        #expect(scopes.limit?.count == 1)
        #expect(try Scopes(parsing: "martlet").limit == nil)
        #expect(try Scopes(parsing: "openid").limit?.isEmpty == true)
        #expect(try Scopes(parsing: "martlet storage.read:/eo").limit?.count == 1)
        for bad in ["a\"b", "a\\b", "ü", String(repeating: "s ", count: 3000)] {
            #expect(throws: IdentityError.self) { try Scopes(bad.split(separator: " ").map(String.init) + [bad]) }
        }
    }
}
