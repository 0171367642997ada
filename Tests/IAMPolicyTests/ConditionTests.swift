import IAMPolicy
import Testing

struct ConditionTests {
    static let context: [String: [String]] = [
        "s": ["Abc"], "many": ["a", "b"], "n": ["10"], "d": ["2026-06-01T12:00:00Z"], "t": ["true"],
        "ip": ["192.0.2.77"],
        "ip6": ["2001:db8::1"], "mapped": ["::ffff:192.0.2.77"], "arn": ["arn:aws:s3:::eo/x/y"],
        "colon": ["arn:aws:s3:::eo/x:y"], "bin": ["aGVsbG8="],
        "user": ["ada"], "empty": [], "blank": [""],
    ]

    @Test(
        "the operators",
        arguments: [
            ("StringEquals", "s", "\"Abc\"", true), ("StringEquals", "s", "\"abc\"", false),
            ("StringEquals", "s", "[\"x\",\"Abc\"]", true), ("StringEquals", "s", "\"A*\"", false),
            ("StringEquals", "S", "\"Abc\"", true), ("StringEquals", "blank", "\"\"", true),
            ("StringNotEquals", "s", "\"abc\"", true), ("StringNotEquals", "s", "[\"abc\",\"Abc\"]", false),
            ("StringEqualsIgnoreCase", "s", "\"aBC\"", true), ("StringNotEqualsIgnoreCase", "s", "\"aBC\"", false),
            ("StringLike", "s", "\"A*\"", true), ("StringLike", "s", "\"a*\"", false),
            ("StringLike", "s", "\"?bc\"", true),
            ("StringNotLike", "s", "\"A*\"", false), ("StringNotLike", "s", "\"B*\"", true),
            ("StringEquals", "user", "\"${user}\"", true), ("StringLike", "user", "\"${user}*\"", true),
            ("StringEquals", "s", "\"${user}\"", false), ("StringEqualsIgnoreCase", "s", "\"${s}\"", true),
            ("NumericEquals", "n", "10", true), ("NumericEquals", "n", "\"10.0\"", true),
            ("NumericEquals", "s", "10", false),
            ("NumericNotEquals", "n", "11", true), ("NumericLessThan", "n", "10", false),
            ("NumericLessThan", "n", "10.5", true),
            ("NumericLessThanEquals", "n", "10", true), ("NumericGreaterThan", "n", "9", true),
            ("NumericGreaterThanEquals", "n", "11", false),
            ("DateEquals", "d", "\"2026-06-01T14:00:00+02:00\"", true), ("DateNotEquals", "d", "\"2026-06-01\"", true),
            ("DateLessThan", "d", "\"2026-06-02\"", true),
            ("DateLessThanEquals", "d", "\"2026-06-01T12:00:00Z\"", true),
            ("DateGreaterThan", "d", "\"2026-06-01\"", true), ("DateGreaterThan", "d", "1780000000", true),
            ("DateGreaterThanEquals", "d", "\"2027-01-01\"", false), ("DateLessThan", "s", "\"2027-01-01\"", false),
            ("Bool", "t", "true", true), ("Bool", "t", "\"TRUE\"", true), ("Bool", "t", "false", false),
            ("Bool", "s", "true", false),
            ("BinaryEquals", "bin", "\"aGVsbG8\"", true), ("BinaryEquals", "bin", "\"aGVsbA==\"", false),
            ("IpAddress", "ip", "\"192.0.2.0/24\"", true), ("IpAddress", "ip", "\"192.0.2.77\"", true),
            ("IpAddress", "ip", "\"192.0.2.80/29\"", false), ("IpAddress", "ip", "\"192.0.2.72/29\"", true),
            ("IpAddress", "ip", "\"0.0.0.0/0\"", true), ("IpAddress", "ip", "\"::/0\"", false),
            ("IpAddress", "mapped", "\"192.0.2.0/24\"", true), ("IpAddress", "ip", "\"::ffff:192.0.2.0/120\"", true),
            ("IpAddress", "ip6", "\"2001:db8::/32\"", true), ("IpAddress", "ip6", "\"2001:db9::/32\"", false),
            ("IpAddress", "ip6", "\"0.0.0.0/0\"", false), ("IpAddress", "ip6", "\"::/0\"", true),
            ("IpAddress", "s", "\"0.0.0.0/0\"", false), ("NotIpAddress", "ip", "\"192.0.2.0/24\"", false),
            ("NotIpAddress", "ip", "[\"10.0.0.0/8\",\"2001:db8::/32\"]", true),
            ("ArnLike", "arn", "\"arn:aws:s3:::eo/*\"", true), ("ArnEquals", "arn", "\"arn:*:s3:::eo/x/?\"", true),
            ("ArnLike", "colon", "\"arn:a*s3:::eo/x:*\"", false), ("ArnLike", "arn", "\"*\"", true),
            ("ArnNotLike", "arn", "\"arn:aws:s3:::hr/*\"", true),
            ("ArnNotEquals", "arn", "\"arn:aws:s3:::eo/*\"", false),
            ("ArnLike", "s", "\"arn:aws:s3:::*\"", false), ("ArnEquals", "arn", "\"${arn}\"", true),
            ("Null", "missing", "true", true), ("Null", "missing", "\"false\"", false), ("Null", "s", "false", true),
            ("Null", "empty", "true", true),
        ])
    func operators(name: String, key: String, value: String, expected: Bool) throws {
        let document = try policy(#""Action":"*","Resource":"*","Condition":{"\#(name)":{"\#(key)":\#(value)}}"#)
        #expect(allows(document, request(context: Self.context)) == expected)
    }

    @Test(
        "keys without a value, and with several",
        arguments: [
            ("StringEquals", "missing", "\"a\"", false), ("StringNotEquals", "missing", "\"a\"", true),
            ("StringEqualsIfExists", "missing", "\"a\"", true), ("StringEqualsIfExists", "s", "\"a\"", false),
            ("NumericLessThanIfExists", "missing", "5", true), ("BoolIfExists", "t", "false", false),
            ("NotIpAddress", "missing", "\"10.0.0.0/8\"", true),
            ("ForAllValues:StringEquals", "many", "[\"a\",\"b\",\"c\"]", true),
            ("ForAllValues:StringEquals", "many", "[\"a\"]", false),
            ("ForAllValues:StringEquals", "missing", "\"a\"", true),
            ("ForAllValues:StringNotEquals", "many", "[\"c\"]", true),
            ("ForAllValues:StringNotEquals", "many", "[\"b\"]", false),
            ("ForAnyValue:StringEquals", "many", "[\"b\",\"x\"]", true),
            ("ForAnyValue:StringEquals", "many", "\"x\"", false),
            ("ForAnyValue:StringEquals", "missing", "\"a\"", false),
            ("ForAnyValue:StringNotEquals", "many", "\"a\"", true),
            ("ForAnyValue:StringLikeIfExists", "missing", "\"a\"", true),
            ("ForAnyValue:StringEquals", "empty", "\"a\"", false),
            ("StringEquals", "many", "\"b\"", true), ("StringNotEquals", "many", "\"b\"", false),
        ])
    func presence(name: String, key: String, value: String, expected: Bool) throws {
        let document = try policy(#""Action":"*","Resource":"*","Condition":{"\#(name)":{"\#(key)":\#(value)}}"#)
        #expect(allows(document, request(context: Self.context)) == expected)
    }

    @Test("all conditions have to hold")
    func conjunction() throws {
        let both = #""Condition":{"StringEquals":{"s":"Abc","user":"ada"},"Bool":{"t":true}}"#
        #expect(allows(try policy(#""Action":"*","Resource":"*",\#(both)"#), request(context: Self.context)))
        let one = #""Condition":{"StringEquals":{"s":"Abc","user":"bob"},"Bool":{"t":true}}"#
        #expect(!allows(try policy(#""Action":"*","Resource":"*",\#(one)"#), request(context: Self.context)))
    }

    @Test(
        "conditions that cannot be are refused",
        arguments: [
            (#"{"StringIs":{"s":"a"}}"#, PolicyError.Code.unknownOperator),
            (#"{"stringequals":{"s":"a"}}"#, .unknownOperator), (#"{"NullIfExists":{"s":"true"}}"#, .unknownOperator),
            (#"{"ForAllValues:Null":{"s":"true"}}"#, .unknownOperator),
            (#"{"ForSomeValues:StringEquals":{"s":"a"}}"#, .unknownOperator), (#"{"":{"s":"a"}}"#, .unknownOperator),
            (#"{"IfExists":{"s":"a"}}"#, .unknownOperator), (#"{"StringEquals":"a"}"#, .invalidElement),
            (#"{"StringEquals":{"s":[]}}"#, .invalidElement), (#"{"StringEquals":{"s":null}}"#, .invalidElement),
            (#"{"StringEquals":{"s":[["a"]]}}"#, .invalidElement), (#"{"StringEquals":{"":"a"}}"#, .invalidElement),
            (#"{"NumericEquals":{"n":"ten"}}"#, .invalidElement),
            (#"{"NumericEquals":{"n":"${user}"}}"#, .invalidElement),
            (#"{"DateEquals":{"d":"yesterday"}}"#, .invalidElement), (#"{"Bool":{"t":"yes"}}"#, .invalidElement),
            (#"{"BinaryEquals":{"b":"***"}}"#, .invalidElement),
            (#"{"IpAddress":{"ip":"10.0.0.0/33"}}"#, .invalidElement),
            (#"{"IpAddress":{"ip":"10.0.0/8"}}"#, .invalidElement),
            (#"{"IpAddress":{"ip":"::1/129"}}"#, .invalidElement),
            (#"{"IpAddress":{"ip":"10.0.0.0/+8"}}"#, .invalidElement),
            (#"{"IpAddress":{"ip":"10.0.0.0/"}}"#, .invalidElement),
            (#"{"StringLike":{"s":"${x"}}"#, .invalidElement), (#"{"ArnLike":{"a":"arn:aws:s3"}}"#, .invalidElement),
            (#"[]"#, .invalidElement),
        ])
    func refused(condition: String, expected: PolicyError.Code) {
        let error = refusal(
            #"{"Version":"2012-10-17","Statement":[{"Sid":"S","Effect":"Allow","Action":"*","Resource":"*","Condition":\#(condition)}]}"#
        )
        #expect(error?.code == expected)
        #expect(error?.message.contains("statement 1 (\"S\"), element Condition") == true)
    }
}
