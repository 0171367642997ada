import ArgumentParser
import NIOHTTP1
import Server
import Wire

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Encryption keys: with which data are kept. (Access keys of S3: key.)",
        discussion: """
            The master key wraps the root key, that the spaces' keys, those the collections' keys, and those the data
            key of each object. A rotation makes a new key and rewraps what is below it; no data are rewritten.
            """,
        subcommands: [Status.self, Rotate.self, Destroy.self, Init.self, Move.self])

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows the keys, their generations, and how far rotations are.",
            discussion: "Example: martlet keys status --json")
        @Flag(help: "Print JSON: one line for each key.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let (source, keys) = try await KeyReport.all(client)
                if !json { Console.write("master key: \(source)") }
                for key in keys { json ? Console.write(key.text) : KeyReport.write(key) }
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a new key; what is sealed under the old one is rewrapped in the background.",
            discussion: """
                Example: martlet keys rotate --collection eo --wait

                Exit codes: 1 an earlier rotation of this key is still under way, or the collection's key was
                destroyed; 3 not allowed (martlet:RotateKeys); 4 there is no such collection or space.
                """)
        @Option(help: "The key of this space.") var space: String?
        @Option(help: "The key of this collection.") var collection: String?
        @Flag(help: "The root key, which seals spaces' keys, access keys and the node's own.") var master = false
        @Flag(help: "Wait until nothing is left under the old key; shows a bar on a terminal.") var wait = false
        @Flag(help: "Print JSON: name, generation.") var json = false

        func validate() throws {
            guard [space != nil, collection != nil, master].filter({ $0 }).count == 1 else {
                throw ValidationError("name one key: --collection NAME, --space NAME or --master")
            }
        }

        func run() async throws {
            try await NodeClient.with { client in
                let (name, path) =
                    if let collection {
                        ("collection \(collection)", "collections/\(PercentEncoding.encode(collection))")
                    } else if let space {
                        ("space \(space)", "spaces/\(PercentEncoding.encode(space))")
                    } else {
                        ("master", "master")
                    }
                let answer = try await client.json(.POST, "/admin/v1/encryption/\(path)/rotate")
                let generation = answer["generation"]?.integer ?? 0
                if wait { try await KeyReport.wait(client, name) }
                if json {
                    Console.json {
                        $0.member("name", name)
                        $0.member("generation", generation)
                    }
                } else {
                    Console.write(
                        "\(name): generation \(generation) seals\(wait ? ", nothing is left under older ones" : "")")
                }
            }
        }
    }

    struct Destroy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Destroys a collection's key: what the collection holds cannot be read any more, by anybody.",
            discussion: """
                Example: martlet keys destroy --collection withdrawn --yes

                There is no way back. The proof stands in the journal: the digest of each wrapped key, how many versions
                it made unreadable, who and when. The objects can still be listed and deleted.

                Exit codes: 1 the key was destroyed before, or objects are retained; 3 not allowed
                (martlet:DestroyKeys); 4 there is no such collection; 64 without --yes.
                """)
        @Option(help: "Whose key.") var collection: String
        @Flag(help: "Yes, for good.") var yes = false
        @Flag(help: .init("Refused: what is retained stays readable.", visibility: .private)) var force = false
        @Flag(help: "Print JSON: the proof.") var json = false

        func validate() throws {
            guard !force else { throw ValidationError("--force is refused: what is retained stays readable") }
            guard yes else {
                throw ValidationError("what '\(collection)' holds could never be read again: repeat with --yes")
            }
        }

        func run() async throws {
            try await NodeClient.with { client in
                let path = "/admin/v1/encryption/collections/\(PercentEncoding.encode(collection))/destroy"
                let proof = try await client.json(.POST, path, body: ["confirm": .string(collection)])
                guard !json else { return Console.write(proof.text) }
                Console.write("\(proof["versions"]?.integer ?? 0) versions of \(collection) cannot be read any more")
                for key in proof["keys"]?.array ?? [] {
                    Console.write(
                        "generation \(key["generation"]?.integer ?? 0), SHA-256 of the wrapped key \(key["wrappedKeySHA256"]?.string ?? "")"
                    )
                }
                if proof["logEmptied"]?.bool != true {
                    Console.error("the database's log could not be emptied yet: old pages stay in it for a while")
                }
            }
        }
    }

    struct Init: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a master key, in a file or in a PKCS#11 token; needs no node.",
            discussion: """
                Example: martlet keys init --master-key \\
                  'pkcs11:token=martlet;object=master?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/martlet/pin'

                A key that is there already is left as it is (exit code 1). In a token the key is made by the token and
                never leaves it.
                """)
        @Option(help: "file:PATH or pkcs11:…") var masterKey: String
        @Flag(help: "Print JSON: created.") var json = false

        func run() async throws {
            let made = try KeyTools.create(masterKey)
            if json { Console.json { $0.member("created", made) } } else { Console.write("made \(made)") }
        }
    }

    struct Move: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wraps a stopped node's root keys with another master key.",
            discussion: """
                Example: martlet keys move --data /srv/martlet --to 'pkcs11:token=martlet;object=master?…'

                Afterwards the node is started with the setting master-key of the new place; the old key opens nothing
                any more. Without the right old key nothing is changed (exit code 1).
                """)
        @OptionGroup var settings: NodeSettings
        @Option(help: "file:PATH, credential:NAME or pkcs11:…: where the new key is.") var to: String
        @Flag(help: "Print JSON: moved.") var json = false

        func run() async throws {
            let count = try await KeyTools.move(try settings.configuration(), to: to)
            if json {
                Console.json { $0.member("moved", count) }
            } else {
                Console.write("wrapped \(count) root keys anew")
            }
        }
    }
}

/// What a node tells of its keys.
enum KeyReport {
    /// All keys, page by page, and where the master key is.
    static func all(_ client: NodeClient) async throws -> (source: String, keys: [JSONValue]) {
        var keys: [JSONValue] = []
        var source = ""
        var after: String? = ""
        while let from = after {
            let page = try await client.json(.GET, "/admin/v1/encryption?after=" + PercentEncoding.encode(from))
            keys += page["keys"]?.array ?? []
            if let text = page["source"]?.string { source = text }
            after = page["next"]?.string
        }
        return (source, keys)
    }

    static func write(_ key: JSONValue) {
        let name = key["name"]?.string ?? ""
        let generations = key["generations"]?.array ?? []
        guard !generations.isEmpty else { return Console.write("\(name.padded(40)) destroyed") }
        for generation in generations {
            let sealed = generation["sealed"]?.integer ?? 0
            var line =
                "\(name.padded(40)) generation \(generation["generation"]?.integer ?? 0)  \(sealed) sealed under it"
            if let retired = generation["retired"]?.string {
                line += "  replaced \(retired.prefix(19))  \(bar(generation))"
            }
            Console.write(line)
        }
    }

    /// How much of what an old key has sealed is under its successor.
    private static func bar(_ generation: JSONValue) -> String {
        let done = generation["rewrapped"]?.integer ?? 0
        let total = done + (generation["sealed"]?.integer ?? 0)
        let share = total > 0 ? Double(done) / Double(total) : 1
        let filled = Int(share * 24)
        return String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
            + " \(Int(share * 100))%"
    }

    /// Waits until a key has no old generation any more. The bar is shown on a terminal only.
    static func wait(_ client: NodeClient, _ name: String) async throws {
        while true {
            let key: JSONValue?
            if name.hasPrefix("collection ") {
                let path = PercentEncoding.encode(name.dropFirst("collection ".count))
                key = try await client.json(.GET, "/admin/v1/encryption/collections/" + path)
            } else {
                let page = try await client.json(.GET, "/admin/v1/encryption")
                key = page["keys"]?.array?.first { $0["name"]?.string == name }
            }
            guard let old = key?["generations"]?.array?.first(where: { $0["retired"] != nil }) else { break }
            if Console.isTerminal { Console.progress("\r" + bar(old) + "\u{1B}[K") }
            try await Task.sleep(for: .milliseconds(500))
        }
        if Console.isTerminal { Console.progress("\r\u{1B}[K") }
    }
}
