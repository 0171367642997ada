import BucketConfiguration
import Objects
import TestSupport
import Testing
import Wire

@Suite struct AccessLogTests {
    private func line(_ number: Int, at time: Timestamp = .now) -> AccessLogLine {
        AccessLogLine(
            owner: "ada", bucket: "eo1", time: time, address: "::1", requestID: "\(number)", operation: "o",
            request: "r", status: 200, totalMilliseconds: 1)
    }

    private func setTarget(_ bucket: String, format: String = "", of objects: Objects) async throws {
        let document = """
            <BucketLoggingStatus><LoggingEnabled><TargetBucket>\(bucket)</TargetBucket><TargetPrefix>l/</TargetPrefix>\
            \(format)</LoggingEnabled></BucketLoggingStatus>
            """
        try await objects.putSetting(.logging, of: "eo1", to: document, by: "ada")
    }

    private func logged(_ objects: Objects) async throws -> [String] {
        var ids: [String] = []
        for entry in try await objects.list(collection: "logs").entries {
            let text = String(decoding: try await objects.get(entry.key, in: "logs"), as: UTF8.self)
            #expect(text.hasSuffix("\n"))
            ids += text.split(separator: "\n").map { String($0.split(separator: " ")[6]) }
        }
        return ids.sorted()
    }

    @Test("lines become objects of the target, and are there once", arguments: TestEngine.allCases)
    func delivery(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.createCollection("logs", owner: "ada")
            try await setTarget("logs", of: objects)
            #expect(try await objects.activeSettings(of: "eo1").logging?.bucket == "logs")
            let collection = try await objects.collection("eo1")
            for number in 1...3 { objects.log(line(number), of: collection) }
            try await objects.flushAccessLog()
            objects.log(line(4), of: collection)
            try await objects.flushAccessLog()
            #expect(try await objects.writeAccessLogs(now: .now).isEmpty)
            #expect(try await objects.writeAccessLogs(now: .now).isEmpty)
            #expect(try await objects.list(collection: "logs").entries.count == 1)
            #expect(try await logged(objects) == ["1", "2", "3", "4"])
        }
    }

    @Test("by the time of events an object has those of one day", arguments: TestEngine.allCases)
    func days(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.createCollection("logs", owner: "ada")
            try await setTarget(
                "logs",
                format:
                    "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>",
                of: objects)
            let collection = try await objects.collection("eo1")
            let today = Timestamp.now
            objects.log(line(1, at: today.adding(seconds: -86_400)), of: collection)
            objects.log(line(2, at: today), of: collection)
            try await objects.flushAccessLog()
            #expect(try await objects.writeAccessLogs(now: .now).isEmpty)
            #expect(try await objects.list(collection: "logs").entries.count == 2)
            #expect(try await logged(objects) == ["1", "2"])
        }
    }

    @Test("lines wait for a target that is not there, but not for ever", arguments: TestEngine.allCases)
    func missingTarget(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await setTarget("logs", of: objects)
            let collection = try await objects.collection("eo1")
            objects.log(line(1), of: collection)
            try await objects.flushAccessLog()
            #expect(try await objects.writeAccessLogs(now: .now).count == 1)
            try await objects.createCollection("logs", owner: "ada")
            #expect(try await objects.writeAccessLogs(now: .now).isEmpty)
            #expect(try await logged(objects) == ["1"])
            try await objects.delete(
                collection: "logs", objects.list(collection: "logs").entries.map { ($0.key, nil) }, by: "ada")
            try await objects.deleteCollection("logs", by: "ada")
            objects.log(line(2), of: collection)
            try await objects.flushAccessLog()
            #expect(try await objects.writeAccessLogs(now: Timestamp.now.adding(seconds: 90_000)).isEmpty)
            try await objects.createCollection("logs", owner: "ada")
            #expect(try await objects.writeAccessLogs(now: .now).isEmpty)
            #expect(try await logged(objects) == [])
        }
    }

    @Test("where logging was turned off lines are dropped; those of a collection that is gone, too")
    func turnedOff() async throws {
        try await withObjects { objects in
            try await objects.createCollection("logs", owner: "ada")
            let collection = try await objects.collection("eo1")
            objects.log(line(1), of: collection)
            try await objects.flushAccessLog()
            #expect(try await objects.writeAccessLogs(now: .now).isEmpty)
            try await setTarget("logs", of: objects)
            objects.log(line(2), of: collection)
            try await objects.deleteCollection("eo1", by: "ada")
            try await objects.flushAccessLog()
            #expect(try await objects.writeAccessLogs(now: .now).isEmpty)
            #expect(try await logged(objects) == [])
        }
    }
}
