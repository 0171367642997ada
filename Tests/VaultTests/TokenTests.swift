import Ciphers
import TestSupport
import Testing
import Vault

@Suite(.serialized, .enabled(if: SoftHSM.isInstalled)) struct TokenTests {
    @Test("a key made in the token wraps and unwraps there, for one purpose only")
    func roundTrip() throws {
        _ = try #require(SoftHSM.folder)
        let uri = try SoftHSM.uri("round-trip")
        #expect(throws: VaultError.self, "there is no such key yet") { try PKCS11Source.open(uri) }
        let made = try PKCS11Source.create(uri)
        #expect(throws: VaultError.self, "a key is not replaced") { try PKCS11Source.create(uri) }
        for method in [nil, .gcm, .keyWrapPad] as [PKCS11Source.Method?] {
            let source = try PKCS11Source.open(uri, method: method)
            let key = AEADKey.random()
            var sealed = try source.wrap(key, label: "root 1")
            let opened = try made.unwrap(sealed, label: "root 1")
            #expect(key.withUnsafeBytes { Array($0) } == opened.withUnsafeBytes { Array($0) })
            #expect(try source.wrap(key, label: "root 1").count == sealed.count)
            #expect(throws: VaultError.self, "another purpose") { try made.unwrap(sealed, label: "root 2") }
            sealed[20] ^= 1
            #expect(throws: VaultError.self, "altered") { try made.unwrap(sealed, label: "root 1") }
            #expect(throws: VaultError.self, "cut off") { try made.unwrap(Array(sealed.prefix(20)), label: "root 1") }
        }
    }

    @Test("what another key of the token has wrapped does not open")
    func otherKey() throws {
        _ = try #require(SoftHSM.folder)
        let one = try PKCS11Source.create(SoftHSM.uri("one"))
        let other = try PKCS11Source.create(SoftHSM.uri("other"))
        let sealed = try one.wrap(.random(), label: "root 1")
        #expect(throws: VaultError.self) { try other.unwrap(sealed, label: "root 1") }
    }

    @Test("errors say whether module, token, key or PIN is wrong, and never the PIN")
    func faults() throws {
        let folder = try #require(SoftHSM.folder)
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        #expect(
            message { _ = try PKCS11Source.open(SoftHSM.uri("x", pin: "wrong-pin")) }.contains("the PIN is wrong"))
        #expect(message { _ = try PKCS11Source.open(SoftHSM.uri("x", token: "none")) }.contains("no such token"))
        #expect(message { _ = try PKCS11Source.open(SoftHSM.uri("none")) }.contains("no such AES key"))
        let lost = "pkcs11:token=martlet;object=x?module-path=/none.so&pin-value=1234"
        let text = message { _ = try PKCS11Source.open(PKCS11URI(lost)) }
        #expect(text.contains("cannot be loaded"))
        #expect(!text.contains("1234"))
        let wrong = "pkcs11:token=martlet;object=x?module-path=\(SoftHSM.module)&pin-value=98761"
        #expect(!message { _ = try PKCS11Source.open(PKCS11URI(wrong)) }.contains("98761"))
        let missing = "pkcs11:token=martlet;object=x?module-path=\(SoftHSM.module)&pin-source=\(folder)/none"
        #expect(message { _ = try PKCS11Source.open(PKCS11URI(missing)) }.contains("cannot read the token's PIN"))
    }
}

@Suite struct PKCS11URITests {
    @Test("names are percent-decoded")
    func parsing() throws {
        let uri = try PKCS11URI(
            "pkcs11:token=The%20token;serial=42;id=%00%ff;object=a%3bb?module-path=/m.so&pin-source=file:///etc/pin")
        #expect(uri.token == "The token")
        #expect(uri.serial == "42")
        #expect(uri.id == [0, 255])
        #expect(uri.object == "a;b")
        #expect(uri.modulePath == "/m.so")
        #expect(uri.description == "pkcs11 token The token, serial 42, key a;b, id 00ff")
    }

    @Test(
        "what does not name one key is refused",
        arguments: [
            "", "http://x", "pkcs11:", "pkcs11:token=a?module-path=/m", "pkcs11:object=a?module-path=/m",
            "pkcs11:token=a;object=b", "pkcs11:token=a;object=b?module-path=m.so",
            "pkcs11:token=a;token=b;object=c?module-path=/m", "pkcs11:token=a;object=b;colour=red?module-path=/m",
            "pkcs11:token=a;object=b;type=private?module-path=/m", "pkcs11:token=%0;object=b?module-path=/m",
            "pkcs11:token=%00;object=b?module-path=/m", "pkcs11:token;object=b?module-path=/m",
            "pkcs11:token=a;object=b?module-path=/m&pin-source=|cat", "pkcs11:token=a;object=b?module-path=/m&x=y",
            "pkcs11:token=a;object=b?module-path=/m&pin-source=/p&pin-value=1",
            "pkcs11:token=\(String(repeating: "x", count: 33));object=b?module-path=/m",
        ])
    func refused(text: String) {
        #expect(throws: VaultError.self) { try PKCS11URI(text) }
    }

    @Test("a text of 5000 bytes is not read")
    func tooLong() {
        let path = String(repeating: "x", count: 5000)
        #expect(throws: VaultError.self) { try PKCS11URI("pkcs11:token=a;object=b?module-path=/\(path)") }
    }
}
