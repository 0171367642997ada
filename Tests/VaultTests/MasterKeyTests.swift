import Ciphers
import Glibc
import TestSupport
import Testing
import Vault
import Wire

@Suite struct RootKeyTests {
    private func bytes(_ key: AEADKey) -> [UInt8] { key.withUnsafeBytes { Array($0) } }

    @Test("the newest generation that has begun seals; every one that is known opens")
    func generations() throws {
        let master = MasterKey(direct: .random())
        let old = try master.seal([1, 2, 3], label: "a")
        #expect(master.generation == 0)
        master.add(generation: 1, starts: .now, key: .random())
        master.add(generation: 2, starts: Timestamp.now.adding(seconds: 60), key: .random())
        #expect(master.generation == 1)
        let first = try master.seal([4, 5], label: "a")
        #expect(first.starts(with: MasterKey.header(1)))
        master.add(generation: 3, starts: .now, key: .random())
        let third = try master.seal([6], label: "a")
        #expect(third.starts(with: MasterKey.header(3)))
        #expect(try master.open(old, label: "a") == [1, 2, 3])
        #expect(try master.open(first, label: "a") == [4, 5])
        #expect(try master.open(third, label: "a") == [6])
        let key = AEADKey.random()
        #expect(bytes(try master.unwrap(master.wrap(key, label: "k"), label: "k")) == bytes(key))
        master.remove(generation: 1)
        #expect(throws: VaultError.self) { try master.open(first, label: "a") }
        #expect(throws: VaultError.self) { try master.open(third, label: "b") }
        var altered = third
        altered[7] ^= 1
        #expect(throws: VaultError.self) { try master.open(altered, label: "a") }
    }

    @Test("without a key nothing is sealed")
    func empty() {
        #expect(throws: VaultError.self) { try MasterKey(direct: nil).seal([1], label: "a") }
    }
}

@Suite struct MasterSourceTests {
    private func write(_ text: String, _ path: String, mode: mode_t) {
        let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
        _ = Glibc.write(fd, text, text.utf8.count)
        fchmod(fd, mode)
        close(fd)
    }

    @Test("a file is made once, and what it wraps opens with it alone")
    func file() async throws {
        try await withFolder { folder in
            let setting = "file:\(folder)/k"
            #expect(throws: VaultError.self) {
                try MasterKeySetting.open(setting, creates: false, credentials: nil)
            }
            _ = try MasterKeySetting.create(setting)
            #expect(throws: VaultError.self, "a key is not replaced") { try MasterKeySetting.create(setting) }
            let source = try MasterKeySetting.open(setting, creates: false, credentials: nil)
            #expect(source.description == "file \(folder)/k")
            let sealed = try source.wrap(.random(), label: "root 1")
            _ = try MasterKeySetting.open("\(folder)/k", creates: false, credentials: nil)
                .unwrap(sealed, label: "root 1")
            #expect(throws: VaultError.self) { try source.unwrap(sealed, label: "root 2") }
            let other = try MasterKeySetting.open("file:\(folder)/other", creates: true, credentials: nil)
            #expect(throws: VaultError.self) { try other.unwrap(sealed, label: "root 1") }
            chmod("\(folder)/k", 0o644)
            #expect(throws: VaultError.self) { try MasterKeySetting.open(setting, creates: false, credentials: nil) }
            #expect(throws: VaultError.self) { try MasterKeySetting.open("k", creates: true, credentials: nil) }
        }
    }

    @Test("a credential is a file of systemd's folder, and nothing outside of it")
    func credential() async throws {
        try await withFolder { folder in
            let digits = Hex.encode(randomBytes(32))
            write(digits, folder + "/master", mode: 0o440)
            write(digits, folder + "/open", mode: 0o444)
            write("short", folder + "/short", mode: 0o400)
            let source = try MasterKeySetting.open("credential:master", creates: false, credentials: folder)
            #expect(source.description == "credential master")
            let sealed = try source.wrap(.random(), label: "root 1")
            _ = try source.unwrap(sealed, label: "root 1")
            for name in ["open", "short", "none", "..", "", "../\(folder.split(separator: "/").last ?? "")/master"] {
                #expect(throws: VaultError.self, "\(name)") {
                    try MasterKeySetting.open("credential:\(name)", creates: true, credentials: folder)
                }
            }
            #expect(throws: VaultError.self) {
                try MasterKeySetting.open("credential:master", creates: false, credentials: nil)
            }
            #expect(throws: VaultError.self) { try MasterKeySetting.create("credential:master") }
        }
    }
}
