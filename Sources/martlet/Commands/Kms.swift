import ArgumentParser
import NIOHTTP1
import Wire

struct KmsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kms",
        abstract: "Named keys: objects are encrypted with them besides their collection's key (SSE-KMS).",
        discussion: """
            Clients ask for one with x-amz-server-side-encryption: aws:kms and its name, id or ARN, or a bucket's default
            encryption does. Who uses it needs kms:GenerateDataKey to write and kms:Decrypt to read.
            """,
        subcommands: [List.self, Create.self, Enable.self, Disable.self, Rotate.self, Destroy.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the keys, and how many versions of objects each has encrypted.")
        @Flag(help: "Print JSON: one line for each key.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                for key in try await client.json(.GET, "/admin/v1/encryption/kms")["keys"]?.array ?? [] {
                    guard !json else {
                        Console.write(key.text)
                        continue
                    }
                    Console.write(
                        "\((key["name"]?.string ?? "").padded(32)) \(key["id"]?.string ?? "")  \((key["state"]?.string ?? "").padded(10)) generation \(key["generation"]?.integer ?? 0)  \(key["versions"]?.integer ?? 0) versions"
                    )
                }
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key.",
            discussion: """
                Example: martlet kms create genomes

                Exit codes: 1 there is a key of this name; 3 not allowed (kms:CreateKey).
                """)
        @Argument(help: "Letters, digits, '-', '_' and '/'.") var name: String
        @Flag(help: "Print JSON: name, id, arn, state.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let key = try await client.json(.POST, "/admin/v1/encryption/kms", body: ["name": .string(name)])
                Console.write(json ? key.text : key["arn"]?.string ?? "")
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets a disabled key be used again.")
        @Argument(help: "Name, id or ARN.") var key: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await KmsCommand.act("enable", key, json) }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keeps a key from being used: what it has encrypted cannot be read until it is enabled again.")
        @Argument(help: "Name, id or ARN.") var key: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await KmsCommand.act("disable", key, json) }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a new generation for new objects; what is there stays readable by the older ones.")
        @Argument(help: "Name, id or ARN.") var key: String
        @Flag(help: "Print JSON: generation.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let answer = try await client.json(.POST, KmsCommand.path(key, "rotate"))
                Console.write(json ? answer.text : "\(key): generation \(answer["generation"]?.integer ?? 0) encrypts")
            }
        }
    }

    struct Destroy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Destroys a key: what it has encrypted cannot be read any more, by anybody.",
            discussion: """
                Example: martlet kms destroy genomes --yes

                There is no way back, and no waiting time: a key that may be needed again is disabled instead.

                Exit codes: 1 destroyed before, or objects are retained; 3 not allowed (kms:ScheduleKeyDeletion);
                4 there is no such key; 64 without --yes.
                """)
        @Argument(help: "The key's name.") var key: String
        @Flag(help: "Yes, for good.") var yes = false
        @Flag(help: "Print JSON: the proof.") var json = false

        func validate() throws {
            guard yes else {
                throw ValidationError("what '\(key)' has encrypted could never be read again: repeat with --yes")
            }
        }

        func run() async throws {
            try await NodeClient.with { client in
                let proof = try await client.json(
                    .POST, KmsCommand.path(key, "destroy"), body: ["confirm": .string(key)])
                guard !json else { return Console.write(proof.text) }
                Console.write("\(proof["versions"]?.integer ?? 0) versions cannot be read any more")
            }
        }
    }

    private static func path(_ key: String, _ verb: String) -> String {
        "/admin/v1/encryption/kms/\(PercentEncoding.encode(key))/\(verb)"
    }

    private static func act(_ verb: String, _ key: String, _ json: Bool) async throws {
        try await NodeClient.with { client in
            try await client.json(.POST, path(key, verb))
            Report.done(verb + "d", key, json: json)
        }
    }
}
