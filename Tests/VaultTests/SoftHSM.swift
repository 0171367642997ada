import Glibc
import Vault

/// A token of SoftHSM in a folder of its own, made once for the process: the module reads its configuration once.
enum SoftHSM {
    static let module = "/usr/lib/softhsm/libsofthsm2.so"
    static let isInstalled = access(module, R_OK) == 0 && access("/usr/bin/softhsm2-util", X_OK) == 0

    /// The folder with the token and its PIN; nil where it could not be made.
    static let folder: String? = {
        let folder = "/tmp/martlet-softhsm-\(getpid())"
        mkdir(folder, 0o700)
        mkdir(folder + "/tokens", 0o700)
        write(
            "directories.tokendir = \(folder)/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", "softhsm2.conf")
        write("1234\n", "pin")
        write("4321\n", "wrong-pin")
        setenv("SOFTHSM2_CONF", folder + "/softhsm2.conf", 1)
        func write(_ text: String, _ name: String) {
            let fd = open(folder + "/" + name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            _ = Glibc.write(fd, text, text.utf8.count)
            close(fd)
        }
        let made = run([
            "/usr/bin/softhsm2-util", "--init-token", "--free", "--label", "martlet", "--pin", "1234", "--so-pin",
            "5678",
        ])
        atexit { SoftHSM.remove() }
        return made ? folder : nil
    }()

    private static func remove() {
        if let folder { _ = run(["/bin/rm", "-rf", folder]) }
    }

    static func uri(_ object: String, pin: String = "pin", token: String = "martlet") throws -> PKCS11URI {
        try PKCS11URI(
            "pkcs11:token=\(token);object=\(object);type=secret-key?module-path=\(module)&pin-source=file:\(folder ?? "")/\(pin)"
        )
    }

    private static func run(_ arguments: [String]) -> Bool {
        var child: pid_t = 0
        var strings: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        guard posix_spawn(&child, arguments[0], &actions, nil, &strings, environ) == 0 else { return false }
        var status: Int32 = 0
        return waitpid(child, &status, 0) == child && status == 0
    }
}
