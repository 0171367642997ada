import OpenID
import Testing

@Suite struct WLCGGroupsTests {
    @Test(
        "groups are told in the order in which scopes ask for them (WLCG 1.3 §3.1, the table)",
        arguments: [
            (["wlcg.groups"], ["/cms"]),
            (["wlcg.groups:/cms/uscms", "wlcg.groups:/cms/ALARM"], ["/cms/uscms", "/cms/ALARM", "/cms"]),
            (
                ["wlcg.groups:/cms/uscms", "wlcg.groups:/cms/ALARM", "wlcg.groups"],
                ["/cms/uscms", "/cms/ALARM", "/cms"]
            ),
            (
                ["wlcg.groups", "wlcg.groups:/cms/uscms", "wlcg.groups:/cms/ALARM"],
                ["/cms", "/cms/uscms", "/cms/ALARM"]
            ),
            (
                ["wlcg.groups:/cms", "wlcg.groups:/cms/uscms", "wlcg.groups:/cms/ALARM"],
                ["/cms", "/cms/uscms", "/cms/ALARM"]
            ),
            (["openid"], []),
        ])
    func table(scopes: [String], groups: [String]) throws {
        let selected = try WLCGGroups.select(scopes, standard: ["/cms"], optional: ["/cms/uscms", "/cms/ALARM"])
        #expect(selected == groups)
    }

    @Test("who asks for a group that is not theirs gets none")
    func notEntitled() {
        #expect(throws: WLCGGroups.NotEntitled.self) {
            try WLCGGroups.select(["wlcg.groups", "wlcg.groups:/atlas"], standard: ["/cms"], optional: [])
        }
    }
}
