import LDAPMessage
import Testing

@Suite struct BERTests {
    @Test("placeholder") func placeholder() {}
}
