import ArgumentParser
import NIOHTTP1
import Wire

struct Sign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Signs addresses of objects, so that anything that speaks HTTP can open them for a while.",
        discussion: "Example: curl -o B02.tif \"$(martlet sign s3://eo/scene/B02.tif)\"")

    @Argument(help: "s3://COLLECTION/KEY, or an address on this node.") var hrefs: [String]
    @Option(help: "How long, up to 604800.") var seconds: Int64 = 3600
    @Flag(help: "Sign for uploading (PUT) instead of reading.") var put = false
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        try await NodeClient.with { client in
            let answer = try await client.json(
                .POST, "/sign",
                body: [
                    "hrefs": .array(hrefs.map { .string($0) }), "duration_seconds": .integer(seconds),
                    "method": .string(put ? "PUT" : "GET"),
                ])
            if json { return Console.write(answer.text) }
            for href in hrefs { Console.write(answer["hrefs"]?[href]?.string ?? "") }
        }
    }
}
