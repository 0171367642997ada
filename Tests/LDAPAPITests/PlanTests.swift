import LDAPAPI
import Testing

@Suite struct PlanTests {
    @Test("placeholder") func placeholder() {}
}
