import BucketConfiguration
import Testing
import Wire

@Suite struct LifecycleTests {
    private static func rule(_ actions: String, filter: String = "<Filter/>", id: String = "r") -> String {
        "<Rule><ID>\(id)</ID><Status>Enabled</Status>\(filter)\(actions)</Rule>"
    }

    private static let days3 = "<Expiration><Days>3</Days></Expiration>"

    private func time(_ text: String) throws -> Timestamp { try #require(Timestamp(rfc3339: text)) }

    @Test("days are counted from the making and rounded up to the next midnight in UTC")
    func rounding() throws {
        let rules = try LifecycleConfiguration.parse(Self.rule(Self.days3, id: "old ü"))
        let object = LifecycleObject(key: "k", size: 1, created: try time("2014-01-15T10:30:00Z"))
        #expect(rules.expiration(of: object)?.date == (try time("2014-01-19T00:00:00Z")))
        #expect(
            rules.expirationHeader(of: object)
                == #"expiry-date="Sun, 19 Jan 2014 00:00:00 GMT", rule-id="old%20%C3%BC""#)
        #expect(rules.due(current: object, now: try time("2014-01-18T23:59:59Z")) == nil)
        #expect(rules.due(current: object, now: try time("2014-01-19T00:00:00Z")) == .expire(rule: "old ü"))
    }

    @Test("a rule is for what its filter names")
    func filters() throws {
        let now = try time("2026-01-01T00:00:00Z")
        let created = try time("2020-01-01T00:00:00Z")
        func isDue(_ filter: String, _ key: String, _ tags: [TagSet.Tag] = [], size: Int64 = 10) throws -> Bool {
            let rules = try LifecycleConfiguration.parse(Self.rule(Self.days3, filter: filter))
            #expect(rules.isStable)
            return rules.due(
                current: LifecycleObject(key: key, tags: tags, size: size, created: created), now: now) != nil
        }
        let tag = TagSet.Tag(key: "a", value: "b")
        #expect(try isDue("<Prefix>logs/</Prefix>", "logs/x") && !isDue("<Prefix>logs/</Prefix>", "log"))
        #expect(try isDue("<Filter><Prefix></Prefix></Filter>", "x"))
        let tagged = "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>"
        #expect(try isDue(tagged, "x", [tag]) && !isDue(tagged, "x"))
        let all = """
            <Filter><And><Prefix>p</Prefix><Tag><Key>a</Key><Value>b</Value></Tag>
            <ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>20</ObjectSizeLessThan></And></Filter>
            """
        #expect(try isDue(all, "px", [tag]))
        #expect(try !isDue(all, "px", [tag], size: 5) && !isDue(all, "px", [tag], size: 20) && !isDue(all, "x", [tag]))
    }

    @Test("versions, delete markers, uploads and moves have their own times")
    func others() throws {
        let rules = try LifecycleConfiguration.parse(
            Self.rule(
                """
                <NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>
                <NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration>
                <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>
                <AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>
                """)
                + Self.rule(
                    """
                    <Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>
                    <Transition><Days>60</Days><StorageClass>GLACIER</StorageClass></Transition>
                    """, filter: "<Filter><Prefix>move/</Prefix></Filter>", id: "m"))
        #expect(rules.isStable)
        let start = try time("2026-01-01T12:00:00Z")
        let object = LifecycleObject(key: "move/k", size: 1, created: start)
        let later = start.adding(seconds: 3 * 86_400)
        #expect(rules.due(noncurrent: object, since: start, newerVersions: 3, now: later) == .expire(rule: "r"))
        #expect(rules.due(noncurrent: object, since: start, newerVersions: 2, now: later) == nil)
        #expect(rules.due(noncurrent: object, since: later, newerVersions: 9, now: later) == nil)
        #expect(rules.removesDeleteMarker(key: "k", created: start, now: start) == "r")
        #expect(rules.abortsUpload(key: "k", initiated: start, now: start) == nil)
        #expect(rules.abortsUpload(key: "k", initiated: start, now: later) == "r")
        #expect(rules.expiration(of: object) == nil)
        func move(_ days: Int64) -> LifecycleAction? {
            rules.due(current: object, now: start.adding(seconds: days * 86_400))
        }
        #expect(move(29) == nil && move(31) == .transition(.standardIA, rule: "m"))
        #expect(move(61) == .transition(.glacier, rule: "m"))
        func move(from storageClass: StorageClass, _ days: Int64) -> LifecycleAction? {
            var object = object
            object.storageClass = storageClass
            return rules.due(current: object, now: start.adding(seconds: days * 86_400))
        }
        #expect(move(from: .standardIA, 31) == nil && move(from: .glacier, 31) == nil)
        #expect(move(from: .standardIA, 61) == .transition(.glacier, rule: "m") && move(from: .deepArchive, 61) == nil)
        let own = try #require(StorageClass(rawValue: "TAPE_2"))
        #expect(move(from: own, 31) == .transition(.standardIA, rule: "m"))
        #expect(rules.storageClasses == [.standardIA, .glacier])
    }

    @Test("a rule that is disabled does nothing; one without a name gets one")
    func disabled() throws {
        let rules = try LifecycleConfiguration.parse(
            "<Rule><Status>Disabled</Status><Filter/>\(Self.days3)</Rule>" + Self.rule(Self.days3, id: "rule-1"))
        #expect(rules.rules.map(\.id) == ["rule-2", "rule-1"])
        let object = LifecycleObject(key: "k", size: 1, created: Timestamp(seconds: 0))
        #expect(rules.due(current: object, now: .now) == .expire(rule: "rule-1"))
    }

    @Test(
        "what S3 refuses is refused with its code",
        arguments: [
            ("", "MalformedXML"), (rule(""), "InvalidRequest"), (rule(days3) + rule(days3), "InvalidArgument"),
            (rule("<Expiration><Days>0</Days></Expiration>"), "InvalidArgument"),
            (rule("<Expiration/>"), "MalformedXML"),
            (rule("<Expiration><Days>1</Days><Date>2026-01-01T00:00:00Z</Date></Expiration>"), "MalformedXML"),
            (rule("<Expiration><Date>2026-01-01T01:00:00Z</Date></Expiration>"), "InvalidArgument"),
            (rule("<Expiration><Date>soon</Date></Expiration>"), "MalformedXML"),
            (rule(days3, filter: ""), "MalformedXML"),
            (rule(days3, filter: "<Filter/><Prefix/>"), "MalformedXML"),
            (rule(days3, filter: "<Filter><And><Prefix>a</Prefix></And></Filter>"), "MalformedXML"),
            (
                rule(
                    days3,
                    filter: "<Filter><Prefix>a</Prefix><ObjectSizeLessThan>9</ObjectSizeLessThan></Filter>"),
                "MalformedXML"
            ),
            (rule(days3, id: String(repeating: "x", count: 256)), "InvalidArgument"),
            (rule("<Transition><Days>1</Days><StorageClass>STANDARD</StorageClass></Transition>"), "MalformedXML"),
            (rule("<Transition><Days>1</Days><StorageClass>cold</StorageClass></Transition>"), "MalformedXML"),
            (
                rule("<Transition><Days>29</Days><StorageClass>ONEZONE_IA</StorageClass></Transition>"),
                "InvalidArgument"
            ),
            (
                rule(days3 + "<Transition><Days>3</Days><StorageClass>GLACIER</StorageClass></Transition>"),
                "InvalidArgument"
            ),
            (
                rule(
                    days3
                        + "<Transition><Date>2026-01-01T00:00:00Z</Date><StorageClass>GLACIER</StorageClass></Transition>"
                ),
                "InvalidRequest"
            ),
            (
                rule(
                    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
                    filter: "<Filter><ObjectSizeLessThan>9</ObjectSizeLessThan></Filter>"), "InvalidRequest"
            ),
            ("<Rule><Status>enabled</Status><Filter/>\(days3)</Rule>", "MalformedXML"),
        ])
    func refusals(document: String, code: String) {
        #expect(LifecycleConfiguration.fault(document) == code)
    }

    @Test("a thousand rules and no more")
    func limit() {
        func rules(_ count: Int) -> String { (0..<count).map { Self.rule(Self.days3, id: "\($0)") }.joined() }
        #expect(LifecycleConfiguration.fault(rules(1000)) == nil)
        #expect(LifecycleConfiguration.fault(rules(1001)) == "MalformedXML")
    }
}
